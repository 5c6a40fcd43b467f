"""How a turn ends: with a reply, with a wait, or as a dead letter. Each end is one transaction under the lease."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.conversation import outbox
from shared.conversation.lease import Hold, watched
from shared.conversation.outbox import Outgoing
from shared.conversation.partition import Stored, Transaction
from shared.conversation.records import (
    KEEP_FINISHED,
    About,
    ConversationRecord,
    DeadLetter,
    Entry,
    Message,
    MessageRole,
    Run,
)
from shared.conversation.states import EntryState, RunState
from shared.messages import (
    Bell,
    BudgetSpent,
    EventKind,
    ModelUnavailable,
    OutboundMessage,
    Permanent,
    QueueUnavailable,
    Transient,
)
from shared.pipeline import words
from shared.pipeline.bells import Bells
from shared.pipeline.commands import said
from shared.pipeline.dead_letters import DeadLetters, dead_letter, keep
from shared.pipeline.rooms import Room
from shared.pipeline.turn_work import Begun, Spoken
from shared.ports import Clock
from shared.settings import Settings
from shared.steps import Step
from shared.telemetry import logger
from shared.topology import BACKGROUND, OUTBOUND, TURNS

log = logger(__name__)

SUMMARY = "summary"
"""The subject of a bell that asks for the history's older part to be summarised."""

LONGEST_REMEMBERED = 16_000
"""Characters of one message that later turns see."""

ConversationHold = Hold[ConversationRecord]


class TurnEnd:
    """Records how turns end."""

    def __init__(self, *, bells: Bells, dead_letters: DeadLetters, clock: Clock, settings: Settings) -> None:
        self._bells = bells
        self._dead_letters = dead_letters
        self._clock = clock
        self._settings = settings

    async def finish(self, room: Room, hold: ConversationHold, begun: Begun, spoken: Spoken) -> None:
        """Put the reply into the outbox, consume the entry, close the run and give the lease back, all at once."""
        now = self._clock.now()
        entry, run = begun.entry, begun.run
        outgoing = _outgoing(entry.record, spoken)

        async def change(record: ConversationRecord, transaction: Transaction) -> ConversationRecord:
            transaction.save(entry, entry.record.with_(state=EntryState.CONSUMED, ttl=KEEP_FINISHED, until=None))
            transaction.save(run, _finished(run.record, spoken, now))
            numbered = _remember(transaction, record, entry.record, spoken, now)
            if outgoing:
                box = await hold.partition.outbox()
                outbox.append(transaction, box, outgoing, render=room.render, now=now)
            return self._settled(hold, record.with_(messages=numbered), entry.record)

        head = await hold.write(Step.FINISH_TURN, change)
        if outgoing:
            await self._ring(Step.RING_DELIVERY, OUTBOUND, hold, entry.record)
        if _asks_for_summary(head, history=self._settings.history_messages):
            await self._ring(Step.RING_AGAIN, BACKGROUND, hold, entry.record, subject=SUMMARY)

    async def postpone(self, room: Room, hold: ConversationHold, begun: Begun, trouble: Transient) -> None:
        """Let the entry wait and come back later; later entries stay behind it. After a day it is a dead letter."""
        now = self._clock.now()
        entry = begun.entry
        since = entry.record.trouble_since or now
        if now - since >= timedelta(hours=self._settings.give_up_hours):
            await self.fail(hold, begun, reason=f"for {self._settings.give_up_hours:g} h: {trouble}")
            return
        wait = self._bells.back_off(entry.record.attempt)
        until = now + max(wait, timedelta(seconds=trouble.retry_after or 0))
        tell = isinstance(trouble, ModelUnavailable) and not entry.record.told
        waiting = entry.record.with_(
            state=EntryState.WAITING,
            starts=0,
            attempt=entry.record.attempt + 1,
            until=until,
            trouble_since=since,
            told=entry.record.told or tell,
        )
        event = entry.record.event
        queue = BACKGROUND if event.kind is EventKind.REMINDER else TURNS

        async def change(record: ConversationRecord, transaction: Transaction) -> ConversationRecord:
            transaction.save(entry, waiting)
            if tell:
                notice = Outgoing(
                    name=f"{event.id}:waits",
                    message=OutboundMessage(text=words.MODEL_AWAY),
                    event=event.id,
                    notice=True,
                    traceparent=event.traceparent,
                )
                box = await hold.partition.outbox()
                outbox.append(transaction, box, [notice], render=room.render, now=now)
            return hold.given(record, working_since=None, wake_at=watched(until), ring=queue)

        await hold.write(Step.POSTPONE_TURN, change)
        log.warning("turn waits", extra={"fields": {"trouble": str(trouble), "attempt": waiting.attempt}})
        await self._ring(Step.RING_AGAIN, queue, hold, entry.record, at=until)
        if tell:
            await self._ring(Step.RING_DELIVERY, OUTBOUND, hold, entry.record)

    async def fail(
        self, hold: ConversationHold, begun: Begun, *, reason: str, trouble: Permanent | None = None
    ) -> None:
        """Make the entry a dead letter with its reason; the dead-letter stage tells the person."""
        now = self._clock.now()
        entry, run = begun.entry, begun.run
        event = entry.record.event
        kept: Stored[DeadLetter] | None = None
        letter = dead_letter(
            about=About.ENTRY,
            subject=entry.id,
            reason=reason,
            words=words.OUT_OF_TIME if isinstance(trouble, BudgetSpent) else words.COULD_NOT,
            now=now,
            traceparent=event.traceparent,
        )

        async def change(record: ConversationRecord, transaction: Transaction) -> ConversationRecord:
            nonlocal kept
            transaction.save(entry, entry.record.with_(state=EntryState.DEAD, until=None))
            kept = await keep(transaction, hold.partition, letter, known=entry.record.letter)
            # It stays until an operator has dealt with it: a replay goes on with what it has done.
            transaction.save(run, run.record.with_(state=RunState.FAILED, finished_at=now))
            return self._settled(hold, record, entry.record)

        await hold.write(Step.FAIL_TURN, change)
        log.error("dead letter", extra={"fields": {"about": letter.about, "reason": reason}})
        assert kept
        try:
            await self._dead_letters.ring(partition=hold.partition, letter=kept)
        except QueueUnavailable as error:
            log.warning("not rung", extra={"fields": {"error": str(error)}})

    def _settled(self, hold: ConversationHold, record: ConversationRecord, entry: Entry) -> ConversationRecord:
        """One entry less; the lease is given back with it, unless another entry came in meanwhile."""
        waiting = record.waiting - 1
        if waiting <= 0:
            return hold.given(record, working_since=None, waiting=0, settled=record.entries)
        return record.with_(waiting=waiting, settled=entry.n)

    async def _ring(
        self,
        step: Step,
        queue: str,
        hold: ConversationHold,
        entry: Entry,
        *,
        at: datetime | None = None,
        subject: str = "",
    ) -> None:
        bell = Bell(
            tenant=hold.partition.tenant,
            conversation=hold.partition.id,
            subject=subject,
            traceparent=entry.event.traceparent,
        )
        try:
            await self._bells.ring(step=step, queue=queue, bell=bell, at=at)
        except QueueUnavailable as error:
            # The truth is written; its `wake_at` makes the sweeper ring instead.
            log.warning("not rung", extra={"fields": {"queue": queue, "error": str(error)}})


def _outgoing(entry: Entry, spoken: Spoken) -> list[Outgoing]:
    if spoken.message is None:
        return []
    event = entry.event
    now_handled = Outgoing(
        name=f"{event.id}:handled",
        message=OutboundMessage(text=words.HANDLED_NOW, reply_to=event.message),
        event=event.id,
        notice=True,
        traceparent=event.traceparent,
    )
    return [
        *([now_handled] if entry.failed and spoken.answer else []),
        Outgoing(
            name=f"{event.id}:reply",
            message=spoken.message,
            event=event.id,
            notice=spoken.answer is None,
            traceparent=event.traceparent,
        ),
    ]


def _finished(run: Run, spoken: Spoken, now: datetime) -> Run:
    answer = spoken.answer
    return run.with_(
        state=RunState.FINISHED,
        finished_at=now,
        ttl=KEEP_FINISHED,
        model=answer.model if answer else "",
        model_calls=answer.model_calls if answer else 0,
        tool_calls=answer.tool_calls if answer else 0,
        input_tokens=answer.input_tokens if answer else 0,
        output_tokens=answer.output_tokens if answer else 0,
    )


def _remember(transaction: Transaction, record: ConversationRecord, entry: Entry, spoken: Spoken, now: datetime) -> int:
    """Add what was said to the history; return the number of its last message."""
    if spoken.answer is None:
        return record.messages
    event = entry.event
    files = "".join(f"\n[file: {attachment.name}]" for attachment in event.attachments)
    pairs = ((MessageRole.PERSON, said(event) + files), (MessageRole.ASSISTANT, spoken.answer.text))
    number = record.messages
    for role, text in pairs:
        number += 1
        message = Message(
            n=number, generation=entry.generation, role=role, text=_shortened(text), event=event.id, at=now
        )
        transaction.create(f"message:{number}", message)
    return number


def _asks_for_summary(record: ConversationRecord, *, history: int) -> bool:
    """True when twice the history's length was just passed, and after every further length, in case a bell was lost."""
    beyond = record.messages - record.summarised - 2 * history
    return beyond > 0 and (beyond - 1) % history < 2


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_REMEMBERED else text[:LONGEST_REMEMBERED] + " […]"

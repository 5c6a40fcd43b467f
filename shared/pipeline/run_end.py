"""How a run ends, or waits for something that is away: each is one transaction under the lease."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.agent.turn import Stopped
from shared.conversation import outbox
from shared.conversation.dead_letter_records import About, DeadLetter
from shared.conversation.lease import watched
from shared.conversation.outbox import RUNG, Outgoing
from shared.conversation.partition import Stored, Transaction
from shared.conversation.records import KEEP_FINISHED, ConversationRecord, Entry, Message
from shared.conversation.run_records import Run, RunOwner, SegmentEnd
from shared.conversation.states import EntryState, RunState
from shared.messages import (
    BudgetSpent,
    EventKind,
    InboundEvent,
    ModelUnavailable,
    OutboundMessage,
    Permanent,
    QueueUnavailable,
    Transient,
)
from shared.pipeline import words
from shared.pipeline.belfry import Belfry
from shared.pipeline.closing import close_questions, discard_threads
from shared.pipeline.dead_letters import DeadLetters, dead_letter, keep
from shared.pipeline.history import Histories
from shared.pipeline.ledger import OPEN
from shared.pipeline.remember import asks_for_summary, remember
from shared.pipeline.rooms import Room
from shared.pipeline.turn_work import Spoken, Worked
from shared.pipeline.work import ConversationHold, Work, spent, with_events, with_open_run
from shared.pipeline.work import ended as segment_ended
from shared.ports import Checkpoints, Clock
from shared.settings import Settings
from shared.steps import Step
from shared.telemetry import Metric, carried, logger, measure
from shared.topology import BACKGROUND, TURNS

log = logger(__name__)

SUMMARY = "summary"
"""The subject of a bell that asks for the history's older part to be summarised."""


class RunEnd:
    """Records how runs end."""

    def __init__(
        self,
        *,
        bells: Belfry,
        dead_letters: DeadLetters,
        checkpoints: Checkpoints,
        histories: Histories,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._bells = bells
        self._dead_letters = dead_letters
        self._checkpoints = checkpoints
        self._histories = histories
        self._clock = clock
        self._settings = settings

    async def finish(self, room: Room, work: Work, ended: Worked | Spoken) -> None:
        """Put the reply into the outbox, consume the entries, close the run and give the lease back, all at once.

        Raises Stopped where the person said stop before this was written.
        """
        now, durable, run = self._clock.now(), work.durable, work.run.record
        spoken = ended if isinstance(ended, Spoken) else ended.spoken
        assert spoken
        earlier = [found.record for event in run.taken if (found := await room.partition.entry(event))]
        outgoing = _outgoing(work.entry.record, spoken)
        added: list[Message] = []

        async def change(record: ConversationRecord, transaction: Transaction) -> ConversationRecord:
            if record.stop_before > work.entry.record.n:
                raise Stopped("the person said stop")
            said = [work.entry.record, *earlier, *(one.record for one in work.taken)]
            if spoken.answer:
                added[:] = remember(transaction, record, said, spoken.answer.text, now)
                record = record.with_(messages=added[-1].n)
            if outgoing:
                box = await room.partition.outbox()
                named = [_naming_open_questions(one, record, run) for one in outgoing]
                outbox.append(transaction, box, named, render=room.render, now=now)
            if run.checkpoint:
                await close_questions(transaction, room.partition, run)
            return self.left(work.hold, with_open_run(record, None, event=run.event), durable=durable)

        head = await work.write(
            Step.FINISH_RUN if durable else Step.FINISH_TURN,
            change,
            run=lambda before: _finished(before, ended, now),
            entry=lambda before: before.with_(state=EntryState.CONSUMED, ttl=KEEP_FINISHED, until=None),
            taken=EntryState.CONSUMED,
        )
        self._histories.add(room.partition, added)
        event = work.entry.record.event
        took = (self._clock.now() - event.received_at).total_seconds()
        measure(Metric.MESSAGE_DURATION, took, {"praxos.channel": event.channel, "praxos.event.kind": event.kind})
        if outgoing:
            await self._bells.deliveries(work)
        if asks_for_summary(head, history=self._settings.history_messages):
            await self._bells.ring(Step.RING_AGAIN, BACKGROUND, work, subject=SUMMARY)
        await self._after(work, head, run)

    async def drop(self, room: Room, work: Work) -> None:
        """The person does not want another revision of the agent to go on: the run ends, and what is in doubt is said."""
        in_doubt = await room.partition.effects(entry=work.run.record.entry, states=OPEN)
        text = words.dropped([effect.about or effect.tool for effect in in_doubt])
        await self.finish(room, work, Spoken(OutboundMessage(text=text)))

    async def postpone(self, room: Room, work: Work, trouble: Transient) -> datetime | None:
        """Let the run wait and come back later; later entries stay behind it. After a day it is a dead letter.

        Returns when to try again; None where it is given up.
        """
        now, durable = self._clock.now(), work.durable
        waits: Run | Entry = work.run.record if durable else work.entry.record
        since = waits.trouble_since or now
        if now - since >= timedelta(hours=self._settings.give_up_hours):
            await self.fail(room, work, reason=f"for {self._settings.give_up_hours:g} h: {trouble}")
            return None
        until = now + max(self._bells.back_off(waits.attempt), timedelta(seconds=trouble.retry_after or 0))
        tell = isinstance(trouble, ModelUnavailable) and not waits.told
        event = work.entry.record.event
        queue = BACKGROUND if event.kind is EventKind.REMINDER else TURNS
        waiting = {
            "starts": 0,
            "attempt": waits.attempt + 1,
            "until": until,
            "trouble_since": since,
            "told": waits.told or tell,
        }

        async def change(record: ConversationRecord, transaction: Transaction) -> ConversationRecord:
            if tell:
                box = await room.partition.outbox()
                outbox.append(transaction, box, [_waits(event, since)], render=room.render, now=now)
            if durable:
                return self.left(work.hold, record, durable=True)
            return work.hold.given(record, working_since=None, working_on="", wake_at=watched(until), ring=queue)

        await work.write(
            Step.POSTPONE_RUN if durable else Step.POSTPONE_TURN,
            change,
            run=lambda run: segment_ended(run, SegmentEnd.WAITS, now).with_(
                **({**waiting, "wake_at": watched(until), "ring": TURNS} if durable else {})
            ),
            entry=None if durable else lambda entry: entry.with_(state=EntryState.WAITING, **waiting),
        )
        fields = {"trouble": str(trouble), "attempt": waits.attempt + 1}
        log.warning("turn waits", extra={"fields": fields})
        if not durable:
            await self._bells.ring(Step.RING_AGAIN, queue, work, at=until)
        if tell:
            await self._bells.deliveries(work)
        return until

    async def fail(self, room: Room, work: Work, *, reason: str, trouble: Permanent | None = None) -> None:
        """Make the run's entry a dead letter with its reason; the dead-letter stage tells the person."""
        now, durable, run = self._clock.now(), work.durable, work.run.record
        entry, event = work.entry, work.entry.record.event
        letters: list[Stored[DeadLetter]] = []
        letter = dead_letter(
            about=About.ENTRY,
            subject=entry.id,
            reason=reason,
            words=words.budget_spent(steps=run.tool_calls, lately=run.lately)
            if isinstance(trouble, BudgetSpent)
            else words.COULD_NOT,
            now=now,
            **carried(event),
        )

        async def change(record: ConversationRecord, transaction: Transaction) -> ConversationRecord:
            letters[:] = [await keep(transaction, room.partition, letter, known=entry.record.letter)]
            if run.checkpoint:
                await close_questions(transaction, room.partition, run)
            return self.left(work.hold, with_open_run(record, None, event=run.event), durable=durable)

        # The run stays until an operator has dealt with it: a replay goes on with what it has done.
        head = await work.write(
            Step.FAIL_RUN if durable else Step.FAIL_TURN,
            change,
            run=lambda before: segment_ended(before, SegmentEnd.FAILED, now).with_(
                state=RunState.FAILED,
                owner=RunOwner.TURN,
                finished_at=now,
                wake_at=None,
                ring=None,
                unheard=with_events(before.unheard, work.taken),
            ),
            entry=lambda before: before.with_(state=EntryState.DEAD, until=None, ttl=None),
            taken=EntryState.CONSUMED,
        )
        log.error("dead letter", extra={"fields": {"about": letter.about, "reason": reason}})
        try:
            await self._dead_letters.ring(partition=room.partition, letter=letters[0])
        except QueueUnavailable as error:
            log.warning("not rung", extra={"fields": {"error": str(error)}})
        if head.waiting and durable:
            await self._bells.ring(Step.RING_AGAIN, TURNS, work)

    def left(self, hold: ConversationHold, record: ConversationRecord, *, durable: bool) -> ConversationRecord:
        """The head after something ended: the lease is given back with it, unless a turn's holder has more to do.

        An orchestration's segment always gives it back, and what waits is rung for.
        """
        if record.waiting <= 0:
            return hold.given(record, working_since=None, working_on="", waiting=0)
        if not durable:
            return record
        now = self._clock.now()
        return hold.given(record, working_since=None, working_on="", wake_at=now + RUNG, ring=TURNS)

    async def _after(self, work: Work, head: ConversationRecord, run: Run) -> None:
        if head.waiting and work.hold.given_back:
            await self._bells.ring(Step.RING_AGAIN, TURNS, work)
        await discard_threads(self._checkpoints, run)


def _waits(event: InboundEvent, since: datetime) -> Outgoing:
    return Outgoing(
        # The next time that the model goes away is told of anew, and is no repeat of this.
        name=f"{event.id}:{since.timestamp():.6f}:waits",
        message=OutboundMessage(text=words.MODEL_AWAY),
        event=event.id,
        notice=True,
        **carried(event),
    )


def _outgoing(entry: Entry, spoken: Spoken) -> list[Outgoing]:
    if spoken.message is None:
        return []
    event = entry.event
    now_handled = Outgoing(
        name=f"{event.id}:handled",
        message=OutboundMessage(text=words.HANDLED_NOW, reply_to=event.message),
        event=event.id,
        notice=True,
        **carried(event),
    )
    return [
        *([now_handled] if entry.failed and spoken.answer else []),
        Outgoing(
            name=f"{event.id}:reply",
            message=spoken.message,
            event=event.id,
            notice=spoken.answer is None,
            **carried(event),
        ),
    ]


def _naming_open_questions(outgoing: Outgoing, record: ConversationRecord, run: Run) -> Outgoing:
    """A reply that comes while another run waits for an answer says so."""
    waiting = [one.question for one in record.runs if one.waiting and one.event != run.event]
    if not waiting or outgoing.notice:
        return outgoing
    text = f"{outgoing.message.text}\n\n{words.still_asking(waiting)}"
    return Outgoing(
        name=outgoing.name,
        message=outgoing.message.model_copy(update={"text": text}),
        event=outgoing.event,
        notice=outgoing.notice,
        **carried(outgoing),
    )


def _finished(run: Run, ended: Worked | Spoken, now: datetime) -> Run:
    if isinstance(ended, Worked):
        run = spent(run, ended.outcome.cost, seconds=ended.seconds, lately=ended.lately)
        run = run.with_(user=ended.user.id)
    run = segment_ended(run, SegmentEnd.FINISHED, now)
    return run.with_(state=RunState.FINISHED, finished_at=now, ttl=KEEP_FINISHED, wake_at=None, ring=None, until=None)

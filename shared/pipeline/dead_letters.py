"""The dead-letter stage: what cannot be handled is recorded with its reason, and the person is told."""

from __future__ import annotations

import hashlib
from datetime import datetime

from pydantic import ValidationError

from shared import ids
from shared.conversation import outbox
from shared.conversation.dead_letter_records import About, DeadLetter, Failure
from shared.conversation.lease import RACES
from shared.conversation.mailbox import address_of
from shared.conversation.outbox import RUNG, Outgoing
from shared.conversation.partition import ConversationPartition, Stored, Transaction
from shared.conversation.records import RECORD, ConversationRecord
from shared.conversation.states import DeadLetterState
from shared.messages import (
    LONGEST_TEXT,
    Bell,
    Conflict,
    InboundEvent,
    OutboundMessage,
    Permanent,
    StoreUnavailable,
    clean,
)
from shared.pipeline import words
from shared.pipeline.bells import Bells
from shared.pipeline.rooms import Rooms
from shared.ports import Clock, Document, Replace
from shared.settings import Settings
from shared.steps import Step
from shared.telemetry import bind, carried, logger, span
from shared.topology import DEAD_LETTERS, MAX_MESSAGE_BYTES, OUTBOUND

log = logger(__name__)

KEPT = 100
"""How many earlier failures and actions one dead letter remembers."""
BEGINNING = 4096
"""How many characters are kept of a text that is too long for any transaction."""


def dead_letter_id(subject: str) -> str:
    """The id of the dead letter about something: one for each, however often it is recorded."""
    return ids.document("dead", subject)


def dead_letter(
    *,
    about: About,
    subject: str,
    reason: str,
    words: str,
    now: datetime,
    event: InboundEvent | None = None,
    queue: str = "",
    body: str = "",
    traceparent: str = "",
    tracestate: str = "",
) -> DeadLetter:
    """A new dead letter. With words for the person, it stays due until they were told."""
    return DeadLetter(
        n=int(now.timestamp() * 1000),
        about=about,
        subject=subject,
        reason=reason,
        words=words,
        event=event,
        queue=queue,
        body=body,
        at=now,
        traceparent=traceparent,
        tracestate=tracestate,
        wake_at=now + RUNG if words else None,
        ring=DEAD_LETTERS if words else None,
    )


async def keep(
    transaction: Transaction, partition: ConversationPartition, letter: DeadLetter, *, known: str = ""
) -> Stored[DeadLetter]:
    """Add a dead letter to a transaction: a new one, or the one that was replayed (`known`), with every reason."""
    name = known or dead_letter_id(letter.subject)
    found = await partition.load(name, DeadLetter)
    kept = Stored(name, opened_again(found.record, letter), found.etag) if found else Stored(name, letter, "")
    transaction.save(kept, kept.record)
    return kept


def opened_again(before: DeadLetter, letter: DeadLetter) -> DeadLetter:
    """A dead letter after another failure. The person is told only what they do not know yet."""
    told = letter.words
    if told and before.told_at and letter.about is About.ENTRY:
        told = words.STILL_COULD_NOT
    news = told and not (before.told_at and told == before.words)
    return letter.with_(
        earlier=(*before.earlier, Failure(at=before.at, reason=before.reason))[-KEPT:],
        actions=before.actions,
        words=told,
        event=letter.event or before.event,
        queue=letter.queue or before.queue,
        body=letter.body or before.body,
        told_at=before.told_at,
        wake_at=letter.at + RUNG if news else None,
        ring=DEAD_LETTERS if news else None,
    )


class DeadLetters:
    """Records dead letters that no other transaction holds, and tells people of all of them."""

    def __init__(self, *, rooms: Rooms, bells: Bells, clock: Clock, settings: Settings) -> None:
        self._rooms = rooms
        self._bells = bells
        self._clock = clock
        self._tenant = settings.tenant

    async def unreadable(self, event: InboundEvent) -> None:
        """Record a verified event that could not be understood."""
        told = words.UNREADABLE if event.chat and not event.group else ""
        await self._event(event, reason=event.reason or "the event could not be understood", told=told)

    async def not_taken_in(self, event: InboundEvent, *, reason: str) -> None:
        """Record an event that can never enter its mailbox; of one that is too long, its beginning."""
        if len(event.text) > LONGEST_TEXT:
            event = event.model_copy(update={"text": event.text[:BEGINNING] + " […]"})
        await self._event(event, reason=reason, told=words.COULD_NOT)

    async def _event(self, event: InboundEvent, *, reason: str, told: str) -> None:
        letter = dead_letter(
            about=About.EVENT,
            subject=event.id,
            reason=reason,
            words=told,
            now=self._clock.now(),
            event=event,
            **carried(event),
        )
        partition = self._rooms.partition(tenant=event.tenant, conversation=event.conversation)
        await self._record(Step.RECORD_UNROUTED, partition, letter)

    async def unroutable(self, body: bytes, *, reason: str, queue: str = "inbound") -> None:
        """Record a message of a queue that cannot be read at all."""
        now = self._clock.now()
        letter = dead_letter(
            about=About.MESSAGE,
            subject=hashlib.sha256(body).hexdigest(),
            reason=f"{queue}: {reason}",
            words="",
            now=now,
            queue=queue,
            body=clean(body[:MAX_MESSAGE_BYTES].decode("utf-8", "replace")),
        )
        conversation = ids.unrouted(tenant=self._tenant, channel="queue", account=queue)
        partition = self._rooms.partition(tenant=self._tenant, conversation=conversation)
        await self._record(Step.RECORD_BROKER, partition, letter)

    async def unfired(self, document: Document, *, reason: str) -> None:
        """Record something that was due and can never fire. It is due no longer."""
        letter = dead_letter(
            about=About.REMINDER,
            subject=f"{document.id}~{document.etag}",
            reason=reason,
            words="",
            now=self._clock.now(),
        )
        body = {name: value for name, value in document.body.items() if name not in ("wake_at", "ring")}
        transaction = Transaction()
        partition = self._rooms.partition(tenant=document.partition.tenant, conversation=document.partition.key)
        await keep(transaction, partition, letter, known=str(body.pop("letter", "")))
        transaction.operations.append(Replace(document.id, body, document.etag))
        try:
            await partition.commit(Step.ADVANCE_REMINDER, transaction)
        except Conflict:
            # Somebody changed it meanwhile: the next tick sees what it has become.
            return
        log.error("dead letter", extra={"fields": {"about": letter.about, "reason": reason}})

    async def tell(self, body: bytes) -> None:
        """Answer a bell of `dead-letters`: tell the person what could not be done, once."""
        bell = Bell.model_validate_json(body)
        try:
            with (
                bind(conversation=bell.conversation, tenant=bell.tenant, traceparent=bell.traceparent),
                span("dead letter", kind="consumer", parent=bell),
            ):
                await self._tell(bell)
        except StoreUnavailable as error:
            log.warning("telling put off", extra={"fields": {"error": str(error)}})
            await self._bells.ring_again(step=Step.RING_DEAD_LETTER, queue=DEAD_LETTERS, bell=bell)

    async def _tell(self, bell: Bell) -> None:
        partition = self._rooms.partition(tenant=bell.tenant, conversation=bell.conversation)
        while True:
            letter = await partition.load(bell.subject, DeadLetter)
            if letter is None or not letter.record.ring:
                await self._bells.look_again(
                    step=Step.RING_DEAD_LETTER, queue=DEAD_LETTERS, bell=bell, lag=partition.store.lag
                )
                return
            head = await partition.record() or _first(letter.record)
            if head is None:
                return
            try:
                room = await self._rooms.room(
                    tenant=bell.tenant, conversation=bell.conversation, channel=head.record.address.channel
                )
            except Permanent as error:
                log.error("nobody can be told", extra={"fields": {"dead_letter": bell.subject, "error": str(error)}})
                return
            now = self._clock.now()
            transaction = Transaction()
            transaction.save(letter, letter.record.with_(told_at=now, wake_at=None, ring=None))
            if not head.etag:
                transaction.create(head.id, head.record)
            again = f":{len(letter.record.earlier)}" if letter.record.earlier else ""
            notice = Outgoing(
                name=f"{bell.subject}:told{again}",
                message=OutboundMessage(text=letter.record.words),
                notice=True,
                **carried(bell),
            )
            outbox.append(
                transaction,
                await partition.outbox(),
                [notice],
                render=room.render,
                now=now,
            )
            try:
                await partition.commit(Step.TELL_DEAD_LETTER, transaction)
            except Conflict:
                continue
            await self._bells.ring(step=Step.RING_DELIVERY, queue=OUTBOUND, bell=bell)
            return

    async def ring(self, *, partition: ConversationPartition, letter: Stored[DeadLetter]) -> None:
        """Ring so that the person is told."""
        if letter.record.ring:
            bell = Bell(
                tenant=partition.tenant,
                conversation=partition.id,
                subject=letter.id,
                **carried(letter.record),
            )
            await self._bells.ring(step=Step.RING_DEAD_LETTER, queue=DEAD_LETTERS, bell=bell)

    async def bell_given_up(self, body: bytes, *, queue: str, reason: str) -> None:
        """Read a bell that the broker gave up on. What it was about is mended by its own `wake_at`."""
        try:
            bell = Bell.model_validate_json(body)
        except ValidationError:
            await self.unroutable(body, reason=reason or "not a bell", queue=queue)
            return
        log.warning(
            "bell given up by the broker",
            extra={"fields": {"queue": queue, "reason": reason, "conversation": bell.conversation}},
        )

    async def _record(self, step: Step, partition: ConversationPartition, letter: DeadLetter) -> None:
        for _ in range(RACES):
            known = await partition.load(dead_letter_id(letter.subject), DeadLetter)
            if known and not await _happened_again(partition, known.record):
                # Delivered before. A bell that was lost then is rung now.
                await self.ring(partition=partition, letter=known)
                return
            transaction = Transaction()
            kept = await keep(transaction, partition, letter)
            try:
                await partition.commit(step, transaction)
            except Conflict:
                continue
            log.error("dead letter", extra={"fields": {"about": letter.about, "reason": letter.reason}})
            await self.ring(partition=partition, letter=kept)
            return
        raise RuntimeError(f"{step}: lost {RACES} races on {partition.id!r}")


async def _happened_again(partition: ConversationPartition, known: DeadLetter) -> bool:
    """Whether what a known dead letter is about has failed once more since it was closed, and nothing else holds it."""
    if known.state is DeadLetterState.OPEN:
        return False
    if known.event is None:
        return True
    return known.state is DeadLetterState.REPLAYED and await partition.entry(known.event.id) is None


def _first(letter: DeadLetter) -> Stored[ConversationRecord] | None:
    """The record of a conversation whose very first event could not be read."""
    if letter.event is None:
        return None
    record = ConversationRecord(address=address_of(letter.event), group=letter.event.group)
    return Stored(RECORD, record, "")

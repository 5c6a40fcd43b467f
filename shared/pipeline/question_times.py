"""What is due for an open question: putting it into another conversation, reminding, giving up on an answer.

Everything here is an arrival, conditional on etags: it needs no lease, and doing it again changes nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.conversation import outbox, questions
from shared.conversation.lease import RACES
from shared.conversation.outbox import RUNG, Outgoing
from shared.conversation.partition import ConversationPartition, Stored, Transaction
from shared.conversation.questions import Told, told_id
from shared.conversation.records import KEEP_FINISHED, RECORD, ConversationRecord
from shared.conversation.run_records import GivenAnswer, QuestionRecord
from shared.conversation.states import QuestionState
from shared.messages import Address, Bell, Conflict, OutboundMessage, Permanent, StoreUnavailable
from shared.pipeline import given
from shared.pipeline import words_questions as say
from shared.pipeline.asking import Asking
from shared.pipeline.bells import Bells
from shared.pipeline.rooms import Room, Rooms
from shared.ports import Clock
from shared.steps import Step
from shared.telemetry import carried, logger, span
from shared.topology import OUTBOUND, TURNS

log = logger(__name__)

AGAIN = timedelta(minutes=5)
"""When a conversation is tried again whose channel is not there."""


class QuestionTimes:
    """Does what is due for questions."""

    def __init__(self, *, rooms: Rooms, asking: Asking, bells: Bells, clock: Clock) -> None:
        self._rooms = rooms
        self._asking = asking
        self._bells = bells
        self._clock = clock

    async def due(self, partition: ConversationPartition, question: Stored[QuestionRecord]) -> datetime | None:
        """Do what is due for a question, and return when to look next; None where it is open no longer."""
        found: Stored[QuestionRecord] | None = question
        for _ in range(RACES):
            if found is None or found.record.state is not QuestionState.OPEN:
                return None
            try:
                next_look = await self._step(partition, found)
            except Conflict:
                next_look = None
            if next_look:
                return next_look
            found = await partition.load(question.id, QuestionRecord)
        raise RuntimeError(f"{question.id!r}: lost {RACES} races on {partition.id!r}")

    async def _step(self, partition: ConversationPartition, question: Stored[QuestionRecord]) -> datetime | None:
        """Do the one thing that is due and return None; or nothing, and return when something is. May raise Conflict."""
        record, now = question.record, self._clock.now()
        if record.expires_at <= now:
            await self._expire(partition, question)
            return None
        reminding = record.told and record.remind_at is not None and record.remind_at <= now
        if record.told and not reminding:
            return record.remind_at or record.expires_at
        message = self._asking.message(record) if not record.told else say.reminder(record)
        step = Step.TELL_QUESTION if not record.told else Step.REMIND_QUESTION
        changed = record.with_(told=True, remind_at=None if reminding else record.remind_at)
        name = f"{question.id}:{'asked' if not record.told else 'reminder'}"
        outgoing = Outgoing(name=name, message=message, **carried(record))
        if record.routed is None:
            await self._here(step, partition, question, changed, outgoing)
            return None
        try:
            await self._there(step, partition, record.routed, outgoing)
        except Permanent as error:
            log.error("a question cannot be asked", extra={"fields": {"question": question.id, "error": str(error)}})
            return min(now + AGAIN, record.expires_at)
        transaction = Transaction()
        transaction.save(question, changed)
        await partition.commit(step, transaction)
        return None

    async def _expire(self, partition: ConversationPartition, question: Stored[QuestionRecord]) -> None:
        record, now = question.record, self._clock.now()
        default = given.default(record)
        expired = record.with_(
            state=QuestionState.EXPIRED,
            answer=GivenAnswer(value=default.value, words=default.words, at=now),
            wake_at=now + RUNG,
            ring=TURNS,
        )
        about = {"praxos.question.about": record.about, "praxos.outcome": "expired"}
        with span("answer", parent=record, started_at=record.asked_at, attributes=about):
            notice = Outgoing(
                name=f"{question.id}:expired",
                message=OutboundMessage(text=say.expired(record)),
                notice=True,
                **carried(record),
            )
            await self._here(Step.EXPIRE_QUESTION, partition, question, expired, notice)
        log.info("question expired", extra={"fields": {"question": question.id, "about": record.about}})
        try:
            await questions.take_off(
                partition.store,
                tenant=partition.tenant,
                user=record.user,
                conversation=partition.id,
                question=question.id,
            )
        except StoreUnavailable as error:
            log.info("a list of questions stays behind", extra={"fields": {"error": str(error)}})

    async def _here(
        self,
        step: Step,
        partition: ConversationPartition,
        question: Stored[QuestionRecord],
        changed: QuestionRecord,
        outgoing: Outgoing,
    ) -> None:
        """Say something in the run's own conversation, and change the question, in one transaction."""
        head = await partition.record()
        assert head is not None, "a run waits in a conversation"
        transaction = Transaction()
        transaction.save(question, changed)
        try:
            room = await self._rooms.room(
                tenant=partition.tenant, conversation=partition.id, channel=head.record.address.channel
            )
        except Permanent as error:
            # Nobody can be told, but the question ends in time all the same.
            log.error("nobody can be told", extra={"fields": {"question": question.id, "error": str(error)}})
            await partition.commit(step, transaction)
            return
        await self._append(transaction, room, outgoing)
        await partition.commit(step, transaction)
        await self._ring(room, outgoing)

    async def _there(self, step: Step, partition: ConversationPartition, address: Address, outgoing: Outgoing) -> None:
        """Say something in another conversation, once: a mark there says that it is in the outbox. May raise Conflict."""
        room = await self._rooms.room(
            tenant=partition.tenant, conversation=address.conversation, channel=address.channel
        )
        name = told_id(f"{partition.id}/{outgoing.name}")
        if await room.partition.load(name, Told) is None:
            transaction = Transaction()
            transaction.create(name, Told(ttl=KEEP_FINISHED))
            if await room.partition.record() is None:
                transaction.create(RECORD, ConversationRecord(address=address))
            await self._append(transaction, room, outgoing)
            await room.partition.commit(step, transaction)
        await self._ring(room, outgoing)

    async def _append(self, transaction: Transaction, room: Room, outgoing: Outgoing) -> None:
        box = await room.partition.outbox()
        outbox.append(transaction, box, [outgoing], render=room.render, now=self._clock.now())

    async def _ring(self, room: Room, outgoing: Outgoing) -> None:
        bell = Bell(tenant=room.partition.tenant, conversation=room.partition.id, **carried(outgoing))
        await self._bells.ring(step=Step.RING_DELIVERY, queue=OUTBOUND, bell=bell)

"""The deliveries stage: parts go out one at a time, under the outbox's own lease."""

from __future__ import annotations

from shared.conversation.lease import RACES, Hold, mark_bell
from shared.conversation.outbox_records import OutboxRecord, Part
from shared.conversation.partition import ConversationPartition, Stored, Transaction
from shared.conversation.states import LeaseState
from shared.messages import (
    Address,
    Bell,
    Conflict,
    LeaseLost,
    NotTaken,
    OutcomeUnknown,
    Permanent,
    Transient,
)
from shared.pipeline.bells import Bells
from shared.pipeline.delivery_end import DeliveryEnd, about_to_leave
from shared.pipeline.page import publish
from shared.pipeline.rooms import Room, Rooms
from shared.ports import Clock, Sending
from shared.settings import Settings
from shared.steps import Step
from shared.telemetry import Metric, add, bind, logger, measure, span
from shared.topology import OUTBOUND

log = logger(__name__)

MOST_STARTS = 10
"""A part that was about to leave this often without a recorded outcome is given up."""

OutboxHold = Hold[OutboxRecord]


class Deliveries:
    """Answers the bells of `outbound`."""

    def __init__(self, *, rooms: Rooms, end: DeliveryEnd, bells: Bells, clock: Clock, settings: Settings) -> None:
        self._rooms = rooms
        self._end = end
        self._bells = bells
        self._clock = clock
        self._settings = settings

    async def answer(self, bell: Bell) -> None:
        """Send what is in the outbox that a bell is about. Raises only for bugs."""
        partition = self._rooms.partition(tenant=bell.tenant, conversation=bell.conversation)
        with bind(conversation=bell.conversation, tenant=bell.tenant, traceparent=bell.traceparent):
            try:
                await self._drain(partition, bell)
            except LeaseLost as lost:
                log.warning("delivery ended: %s", lost)
            except (Transient, Permanent) as error:
                # The store is away, or the channel is not configured now: the bell itself remembers that there is work.
                log.warning("delivery put off", extra={"fields": {"error": str(error)}})
                await self._bells.ring_again(step=Step.RING_PART, queue=OUTBOUND, bell=bell)

    async def _drain(self, partition: ConversationPartition, bell: Bell) -> None:
        for _ in range(RACES):
            box = await partition.outbox()
            if box.record.settled >= box.record.parts:
                await self._look_again(partition, bell)
                return
            room, address = await self._room(partition, box.record, bell)
            if room.channel.capabilities.sending is Sending.PAGE:
                await publish(partition, box, address=address, now=self._clock.now())
                return
            now = self._clock.now()
            if box.record.lease.state(now) is LeaseState.HELD:
                if at := await mark_bell(partition, box, now=self._clock.now()):
                    await self._bells.ring(step=Step.RING_PART, queue=OUTBOUND, bell=bell, at=at)
                else:
                    await self._look_again(partition, bell)
                return
            if box.record.not_before and box.record.not_before > now:
                return
            part = await partition.part(box.record.settled + 1)
            if part is None:
                raise RuntimeError(f"part {box.record.settled + 1} of {partition.id!r} is missing")
            try:
                hold, leaving = await self._take(partition, box, part, address)
            except Conflict:
                continue
            async with hold:
                await self._send_off(room, address, hold, leaving, bell)
            return
        raise RuntimeError(f"{Step.TAKE_PART}: lost {RACES} races on {partition.id!r}")

    async def _look_again(self, partition: ConversationPartition, bell: Bell) -> None:
        await self._bells.look_again(step=Step.RING_PART, queue=OUTBOUND, bell=bell, lag=partition.store.lag)

    async def _room(self, partition: ConversationPartition, box: OutboxRecord, bell: Bell) -> tuple[Room, Address]:
        address = box.address
        if address is None:
            head = await partition.record()
            if head is None:
                raise Permanent(f"the conversation {bell.conversation!r} has an outbox but no record")
            address = head.record.address
        room = await self._rooms.room(tenant=bell.tenant, conversation=bell.conversation, channel=address.channel)
        return room, address

    async def _send_off(
        self, room: Room, address: Address, hold: OutboxHold, leaving: Stored[Part], bell: Bell
    ) -> None:
        """Send part after part under one lease until nothing is left or something has to wait."""
        ends = self._clock.monotonic() + self._settings.drain_seconds
        current: Stored[Part] | None = leaving
        try:
            while current:
                more = self._clock.monotonic() < ends
                current = await self._send(room, address, hold, current, bell, more=more)
        except LeaseLost:
            raise
        except BaseException:
            if not hold.given_back and not hold.lost:
                await self._end.give_back(hold)
            raise
        if not hold.given_back:
            await self._end.give_back(hold)
            await self._bells.ring(step=Step.RING_PART, queue=OUTBOUND, bell=bell)

    async def _send(
        self, room: Room, address: Address, hold: OutboxHold, leaving: Stored[Part], bell: Bell, *, more: bool
    ) -> Stored[Part] | None:
        """Send one part and record what came of it; return the next one, already marked as about to leave."""
        part = leaving.record
        about: dict[str, str | int] = {"praxos.channel": address.channel, "praxos.part": part.n}
        with (
            bind(event=part.event, traceparent=part.traceparent),
            span("delivery", kind="consumer", parent=part, attributes=about) as current,
        ):
            if part.starts > MOST_STARTS:
                current.failed("GivenUp")
                return await self._end.give_up(
                    hold, leaving, reason=f"begun {part.starts - 1} times without an outcome"
                )
            hold.assert_running()
            try:
                provider_id = await hold.guard(
                    room.channel.send(address=address, part=part.payload, key=part.key, repeat=part.repeat)
                )
            except (NotTaken, OutcomeUnknown, Permanent) as trouble:
                current.failed(type(trouble).__name__)
                add(Metric.ERRORS, attributes={"praxos.stage": "delivery", "error.type": type(trouble).__name__})
                return await self._not_sent(hold, leaving, trouble, bell)
            current.set({"praxos.outcome": "sent"})
            if part.at:
                waited = (self._clock.now() - part.at).total_seconds()
                measure(Metric.DELIVERY_DURATION, waited, {"praxos.channel": address.channel})
            return await self._end.sent(hold, leaving, provider_id, more=more)

    async def _not_sent(
        self, hold: OutboxHold, leaving: Stored[Part], trouble: NotTaken | OutcomeUnknown | Permanent, bell: Bell
    ) -> Stored[Part] | None:
        if isinstance(trouble, Permanent):
            return await self._end.refuse(hold, leaving, trouble)
        if isinstance(trouble, NotTaken):
            await self._end.put_back(hold, leaving, trouble, bell)
        else:
            await self._end.wait_unknown(hold, leaving, trouble, bell)
        return None

    async def _take(
        self, partition: ConversationPartition, box: Stored[OutboxRecord], part: Stored[Part], address: Address
    ) -> tuple[OutboxHold, Stored[Part]]:
        """Take the outbox's lease and mark its next part as about to leave, in one transaction."""
        leaving = about_to_leave(part.record, epoch=box.record.lease.epoch + 1, now=self._clock.now())

        def begin(record: OutboxRecord, transaction: Transaction) -> OutboxRecord:
            transaction.save(part, leaving)
            return record.with_(not_before=None, ring=OUTBOUND, address=address)

        hold = await Hold.take(
            step=Step.TAKE_PART,
            partition=partition,
            stored=box,
            load=partition.outbox,
            clock=self._clock,
            seconds=self._settings.lease_seconds,
            change=begin,
        )
        return hold, Stored(part.id, leaving, hold.written[part.id])

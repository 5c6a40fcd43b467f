"""The turns stage: take a conversation's lease, drain its mailbox, one entry after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.conversation.lease import RACES, Hold, mark_bell, watched
from shared.conversation.partition import ConversationPartition, Stored, Transaction, run_id
from shared.conversation.records import ConversationRecord, Entry, Run
from shared.conversation.states import LeaseState
from shared.messages import Bell, Conflict, LeaseLost, Permanent, StoreUnavailable, Transient
from shared.pipeline.bells import Bells
from shared.pipeline.rooms import Room, Rooms
from shared.pipeline.turn_end import TurnEnd
from shared.pipeline.turn_work import Begun, TurnWork
from shared.ports import Clock
from shared.settings import Settings
from shared.steps import Step
from shared.telemetry import bind, logger

log = logger(__name__)

MOST_STARTS = 10
"""A turn that was begun this often without a recorded step is not begun again."""

ConversationHold = Hold[ConversationRecord]


@dataclass(frozen=True, slots=True)
class Beginning:
    """The writes that begin an entry's turn."""

    before: Stored[Entry]
    entry: Entry
    run: Stored[Run]

    def add(self, transaction: Transaction) -> None:
        """Add them to a transaction."""
        transaction.save(self.before, self.entry)
        if not self.run.etag:
            transaction.create(self.run.id, self.run.record)

    def begun(self, etags: Mapping[str, str]) -> Begun:
        """What was begun, once the transaction is done."""
        run_etag = self.run.etag or etags[self.run.id]
        return Begun(
            entry=Stored(self.before.id, self.entry, etags[self.before.id]),
            run=Stored(self.run.id, self.run.record, run_etag),
        )


class Turns:
    """Answers the bells of one queue, `turns` or `background`."""

    def __init__(
        self, *, queue: str, rooms: Rooms, work: TurnWork, end: TurnEnd, bells: Bells, clock: Clock, settings: Settings
    ) -> None:
        self._queue = queue
        self._rooms = rooms
        self._work = work
        self._end = end
        self._bells = bells
        self._clock = clock
        self._settings = settings

    async def answer(self, bell: Bell) -> None:
        """Drain the mailbox that a bell is about. Raises only for bugs."""
        partition = self._rooms.partition(tenant=bell.tenant, conversation=bell.conversation)
        with bind(conversation=bell.conversation, tenant=bell.tenant, traceparent=bell.traceparent):
            try:
                await self._drain(partition, bell)
            except LeaseLost as lost:
                log.warning("turn ended: %s", lost)
            except (Transient, Permanent) as error:
                # The store is away, or the channel is not configured now: the bell itself remembers that there is work.
                log.warning("turn put off", extra={"fields": {"error": str(error)}})
                await self._bells.ring_again(step=Step.RING_AGAIN, queue=self._queue, bell=bell)

    async def _drain(self, partition: ConversationPartition, bell: Bell) -> None:
        ends = self._clock.monotonic() + self._settings.drain_seconds
        for _ in range(RACES):
            head = await partition.record()
            if head is None or not head.record.waiting:
                return
            if head.record.lease.state(self._clock.now()) is LeaseState.HELD:
                if at := await mark_bell(partition, head, now=self._clock.now()):
                    await self._bells.ring(step=Step.RING_AGAIN, queue=self._queue, bell=bell, at=at)
                return
            entry = await partition.next_entry(head.record)
            if entry is None or (entry.record.until and entry.record.until > self._clock.now()):
                return
            room = await self._rooms.room(
                tenant=bell.tenant, conversation=bell.conversation, channel=head.record.address.channel
            )
            try:
                hold, begun = await self._take(partition, head, entry)
            except Conflict:
                continue
            async with hold:
                await self._work_off(room, hold, begun, bell, ends)
            return
        raise RuntimeError(f"{Step.TAKE_TURN}: lost {RACES} races on {partition.id!r}")

    async def _work_off(self, room: Room, hold: ConversationHold, begun: Begun, bell: Bell, ends: float) -> None:
        """Take turns under one lease until the mailbox is empty, something waits, or the time is over."""
        current: Begun | None = begun
        try:
            while current:
                await self._turn(room, hold, current)
                current = await self._next(hold, ends)
        except LeaseLost:
            raise
        except BaseException:
            # A bug, the host's time-out, or no store: whoever comes next must not find our own lease in the way.
            if not hold.given_back and not hold.lost:
                await self._release(hold, bell, ring=False)
            raise
        if not hold.given_back:
            await self._release(hold, bell)

    async def _next(self, hold: ConversationHold, ends: float) -> Begun | None:
        """Begin the next entry that can be worked on now, if the lease is still held and there is one."""
        if hold.given_back:
            return None
        head = await hold.refresh()
        entry = await hold.partition.next_entry(head)
        if entry is None or self._clock.monotonic() >= ends:
            return None
        if entry.record.until and entry.record.until > self._clock.now():
            return None
        return await self._begin(hold, entry)

    async def _turn(self, room: Room, hold: ConversationHold, begun: Begun) -> None:
        entry = begun.entry.record
        with bind(event=entry.event.id):
            if entry.starts > MOST_STARTS:
                reason = f"begun {entry.starts - 1} times without a recorded step"
                await self._end.fail(hold, begun, reason=reason)
                return
            try:
                spoken = await hold.guard(self._work.answer(room, hold, entry))
            except (LeaseLost, StoreUnavailable):
                raise
            except Transient as trouble:
                await self._end.postpone(room, hold, begun, trouble)
            except Permanent as trouble:
                await self._end.fail(hold, begun, reason=str(trouble), trouble=trouble)
            else:
                await self._end.finish(room, hold, begun, spoken)

    async def _take(
        self, partition: ConversationPartition, head: Stored[ConversationRecord], entry: Stored[Entry]
    ) -> tuple[ConversationHold, Begun]:
        """Take the lease and begin the entry in one transaction. Raises Conflict when someone was faster."""
        now = self._clock.now()
        beginning = await self._beginning(partition, entry, now)

        def begin(record: ConversationRecord, transaction: Transaction) -> ConversationRecord:
            beginning.add(transaction)
            return record.with_(working_since=now, ring=self._queue)

        hold = await Hold.take(
            step=Step.TAKE_TURN,
            partition=partition,
            stored=head,
            load=partition.record,
            clock=self._clock,
            seconds=self._settings.lease_seconds,
            change=begin,
        )
        return hold, beginning.begun(hold.written)

    async def _begin(self, hold: ConversationHold, entry: Stored[Entry]) -> Begun:
        """Begin another entry under a lease that is held."""
        now = self._clock.now()
        beginning = await self._beginning(hold.partition, entry, now)

        async def begin(record: ConversationRecord, transaction: Transaction) -> ConversationRecord:
            beginning.add(transaction)
            return hold.extended(record).with_(working_since=now)

        await hold.write(Step.TAKE_TURN, begin)
        return beginning.begun(hold.written)

    async def _beginning(self, partition: ConversationPartition, entry: Stored[Entry], now: datetime) -> Beginning:
        """What beginning an entry writes: its start is counted; its run is opened, or taken up again after a crash."""
        event = entry.record.event
        run = (
            await partition.run(event.id)
            if entry.record.starts or entry.record.attempt or entry.record.letter
            else None
        )
        if run is None:
            opened = Run(event=event.id, entry=entry.record.n, started_at=now, traceparent=event.traceparent)
            run = Stored(run_id(event.id), opened, "")
        return Beginning(entry, entry.record.with_(starts=entry.record.starts + 1), run)

    async def _release(self, hold: ConversationHold, bell: Bell, *, ring: bool = True) -> None:
        """Give the lease back; where entries still wait, see to it that somebody comes for them."""
        at: datetime | None = None

        async def release(record: ConversationRecord, _: Transaction) -> ConversationRecord:
            nonlocal at
            entry = await hold.partition.next_entry(record)
            if entry is None:
                at = None
                return hold.given(record, working_since=None, waiting=0, settled=record.entries)
            at = entry.record.until or self._clock.now()
            return hold.given(record, working_since=None, wake_at=watched(at), ring=self._queue)

        await hold.write(Step.RELEASE_TURN, release)
        if at and ring:
            await self._bells.ring(step=Step.RING_AGAIN, queue=self._queue, bell=bell, at=at)

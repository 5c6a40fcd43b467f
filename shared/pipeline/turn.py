"""The turns stage: take a conversation's lease, drain its mailbox, one entry after the other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.conversation.lease import RACES, Hold, mark_bell, watched
from shared.conversation.partition import ConversationPartition, Stored, Transaction, run_id
from shared.conversation.records import ConversationRecord, Entry
from shared.conversation.run_records import Run
from shared.conversation.states import LeaseState
from shared.messages import (
    Bell,
    Conflict,
    LeaseLost,
    Permanent,
    QueueUnavailable,
    Transient,
)
from shared.pipeline.bells import Bells
from shared.pipeline.rooms import Room, Rooms
from shared.pipeline.run import Runs
from shared.pipeline.segments import Segments
from shared.pipeline.stops import Stops, has_stopped_work
from shared.pipeline.work import ConversationHold, Work
from shared.pipeline.work import begun as with_segment
from shared.ports import Clock
from shared.settings import Settings
from shared.steps import Step
from shared.telemetry import bind, carried, logger

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Beginning:
    """The writes that begin an entry's turn: its start is counted, its run is opened, or taken up again after a crash."""

    before: Stored[Entry]
    entry: Entry
    run: Stored[Run]

    def add(self, transaction: Transaction) -> None:
        """Add them to a transaction."""
        transaction.save(self.before, self.entry)
        transaction.save(self.run, self.run.record)

    def work(self, hold: ConversationHold) -> Work:
        """What was begun, once the transaction is done."""
        etags = hold.written
        return Work(
            hold=hold,
            entry=Stored(self.before.id, self.entry, etags[self.before.id]),
            run=Stored(self.run.id, self.run.record, etags[self.run.id]),
        )


class Turns:
    """Answers the bells of one queue, `turns` or `background`."""

    def __init__(
        self,
        *,
        queue: str,
        rooms: Rooms,
        segments: Segments,
        stops: Stops,
        runs: Runs,
        bells: Bells,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._queue = queue
        self._rooms = rooms
        self._segments = segments
        self._stops = stops
        self._runs = runs
        self._bells = bells
        self._clock = clock
        self._settings = settings

    async def answer(self, bell: Bell) -> None:
        """Drain the mailbox that a bell is about, or wake the run that it is about. Raises only for bugs."""
        partition = self._rooms.partition(tenant=bell.tenant, conversation=bell.conversation)
        with bind(conversation=bell.conversation, tenant=bell.tenant, traceparent=bell.traceparent):
            try:
                if bell.subject and await self._runs.wake_subject(partition, bell.subject):
                    await self._look_again(partition, bell)
                else:
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
            if head is None:
                await self._look_again(partition, bell)
                return
            entry = await partition.next_entry(head.record) if head.record.waiting else None
            stops = has_stopped_work(head.record, entry.record if entry else None)
            if not stops and (entry is None or _belongs_to_a_run(head.record)):
                await self._runs.wake_all(partition, head.record)
                await self._look_again(partition, bell)
                return
            now = self._clock.now()
            if head.record.lease.state(now) is LeaseState.HELD:
                if at := await mark_bell(partition, head, now=now):
                    await self._bells.ring(step=Step.RING_AGAIN, queue=self._queue, bell=bell, at=at)
                else:
                    await self._look_again(partition, bell)
                return
            if not stops and entry and entry.record.until and entry.record.until > now:
                return
            room = await self._rooms.room(
                tenant=bell.tenant, conversation=bell.conversation, channel=head.record.address.channel
            )
            try:
                hold, work = await self._take(partition, head, None if stops else entry)
            except Conflict:
                continue
            async with hold:
                await self._work_off(room, hold, work, bell, ends)
            await self._wake_what_was_handed_over(partition, hold)
            return
        raise RuntimeError(f"{Step.TAKE_TURN}: lost {RACES} races on {partition.id!r}")

    async def _look_again(self, partition: ConversationPartition, bell: Bell) -> None:
        await self._bells.look_again(step=Step.RING_AGAIN, queue=self._queue, bell=bell, lag=partition.store.lag)

    async def _work_off(self, room: Room, hold: ConversationHold, work: Work | None, bell: Bell, ends: float) -> None:
        """Take turns under one lease until the mailbox is empty, something waits, or the time is over."""
        current = work
        try:
            if current is None:
                await self._stops.stop(room, hold, work=None, durable=False)
                current = await self._next(room, hold, ends)
            while current:
                with bind(event=current.entry.record.event.id):
                    await self._segments.run(room, current, seconds=self._settings.turn_seconds)
                current = await self._next(room, hold, ends)
        except LeaseLost:
            raise
        except BaseException:
            # A bug, the host's time-out, or no store: whoever comes next must not find our own lease in the way.
            if not hold.given_back and not hold.lost:
                await self._release(hold, bell, ring=False)
            raise
        if not hold.given_back:
            await self._release(hold, bell)

    async def _next(self, room: Room, hold: ConversationHold, ends: float) -> Work | None:
        """Begin the next entry that can be worked on now, if the lease is still held and there is one."""
        if hold.given_back:
            return None
        head = await hold.refresh()
        entry = await hold.partition.next_entry(head)
        if entry and has_stopped_work(head, entry.record):
            await self._stops.stop(room, hold, work=None, durable=False)
            return await self._next(room, hold, ends)
        if entry is None or self._clock.monotonic() >= ends or _belongs_to_a_run(head):
            return None
        if entry.record.until and entry.record.until > self._clock.now():
            return None
        return await self._begin(hold, entry)

    async def _take(
        self, partition: ConversationPartition, head: Stored[ConversationRecord], entry: Stored[Entry] | None
    ) -> tuple[ConversationHold, Work | None]:
        """Take the lease and begin the entry in one transaction. Raises Conflict when someone was faster.

        No entry: something was stopped, and that is what the lease is for.
        """
        now = self._clock.now()
        beginning = await self._beginning(partition, entry, now) if entry else None

        def begin(record: ConversationRecord, transaction: Transaction) -> ConversationRecord:
            if beginning is None:
                return record.with_(ring=self._queue)
            beginning.add(transaction)
            return record.with_(working_since=now, working_on=beginning.run.record.event, ring=self._queue)

        hold = await Hold.take(
            step=Step.TAKE_TURN,
            partition=partition,
            stored=head,
            load=partition.record,
            clock=self._clock,
            seconds=self._settings.lease_seconds,
            change=begin,
        )
        return hold, beginning.work(hold) if beginning else None

    async def _begin(self, hold: ConversationHold, entry: Stored[Entry]) -> Work:
        """Begin another entry under a lease that is held."""
        now = self._clock.now()
        beginning = await self._beginning(hold.partition, entry, now)

        async def begin(record: ConversationRecord, transaction: Transaction) -> ConversationRecord:
            beginning.add(transaction)
            return hold.extended(record).with_(working_since=now, working_on=beginning.run.record.event)

        await hold.write(Step.TAKE_TURN, begin)
        return beginning.work(hold)

    async def _beginning(self, partition: ConversationPartition, entry: Stored[Entry], now: datetime) -> Beginning:
        event, begun = entry.record.event, entry.record
        run = await partition.run(event.id) if begun.has_run else None
        if run is None:
            opened = Run(event=event.id, entry=begun.n, started_at=now, **carried(event))
            run = Stored(run_id(event.id), opened, "")
        run = Stored(run.id, with_segment(run.record, now), run.etag)
        return Beginning(entry, begun.with_(starts=begun.starts + 1), run)

    async def _release(self, hold: ConversationHold, bell: Bell, *, ring: bool = True) -> None:
        """Give the lease back; where entries still wait, see to it that somebody comes for them."""
        at: datetime | None = None

        async def release(record: ConversationRecord, _: Transaction) -> ConversationRecord:
            nonlocal at
            entry = await hold.partition.next_entry(record)
            record = record.with_(working_since=None, working_on="")
            if entry is None:
                at = None
                return hold.given(record, waiting=0, settled=record.entries)
            at = entry.record.until or self._clock.now()
            return hold.given(record, wake_at=watched(at), ring=self._queue)

        await hold.write(Step.RELEASE_TURN, release)
        if at and ring:
            await self._bells.ring(step=Step.RING_AGAIN, queue=self._queue, bell=bell, at=at)

    async def _wake_what_was_handed_over(self, partition: ConversationPartition, hold: ConversationHold) -> None:
        """Wake orchestrations, new ones too; where that cannot be now, the runs' own `wake_at` makes up for it."""
        record = hold.stored.record
        try:
            for run in record.runs:
                await self._runs.wake(partition, run.event)
        except QueueUnavailable as error:
            log.warning("run not woken", extra={"fields": {"error": str(error)}})


def _belongs_to_a_run(record: ConversationRecord) -> bool:
    """While a run that was handed over works, what arrives belongs to it."""
    return any(not run.waiting for run in record.runs)

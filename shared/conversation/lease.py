"""A lease that this process holds: renewed every third of its life, and every write conditional on its epoch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Any, Generic, Self, TypeVar

from shared import owners
from shared.conversation.partition import ConversationPartition, Stored, Transaction
from shared.conversation.records import Lease, Leased
from shared.messages import Conflict, LeaseLost, StoreUnavailable
from shared.ports import Clock
from shared.steps import Step
from shared.telemetry import logger

log = logger(__name__)

L = TypeVar("L", bound=Leased)
T = TypeVar("T")

Change = Callable[[L, Transaction], Awaitable[L]]
"""Given the head as it is now: add the other writes to the transaction, return the new head."""

RACES = 200
"""How many lost races on the etag are taken for a busy conversation and not for a bug."""
STORE_PAUSE = 0.25
"""Seconds between two tries of a write while the store is away."""
_MARGIN = timedelta(seconds=1)
_BEHIND = timedelta(milliseconds=500)
"""How long after a lease's end its bell rings: before the sweeper would."""


def taken(lease: Lease, *, now: datetime, seconds: float) -> Lease:
    """The lease, taken by this process: a new epoch."""
    return Lease(epoch=lease.epoch + 1, owner=owners.this_process(), until=now + timedelta(seconds=seconds))


def released(lease: Lease) -> Lease:
    """The lease, given back: the epoch stays, so the next holder's is higher."""
    return Lease(epoch=lease.epoch, writes=lease.writes)


def watched(until: datetime) -> datetime:
    """When the sweeper should look whether the holder of a lease is still alive."""
    return until + _MARGIN


async def mark_bell(partition: ConversationPartition, stored: Stored[L], *, now: datetime) -> datetime | None:
    """Somebody else holds the lease: note that a bell comes at its end, and return when. None: no bell is needed.

    It is not needed where one is coming, nor where the record moves meanwhile: whoever moved it saw what there is to do.
    """
    until, coming = stored.record.lease.until, stored.record.bell_at
    if until is None or (coming and coming >= now):
        return None
    transaction = Transaction()
    transaction.save(stored, stored.record.with_(bell_at=until + _BEHIND))
    try:
        await partition.commit(Step.MARK_BELL, transaction)
    except Conflict:
        return None
    return until + _BEHIND


async def _to_its_end(write: Coroutine[Any, Any, None]) -> None:
    """Do it. Who is cancelled meanwhile goes once it is known what came of it: what is written next builds on that."""
    task = asyncio.get_running_loop().create_task(write)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


def _nothing() -> None:
    pass


class Hold(Generic[L]):
    """A held lease on a record. `write` is the only way to change anything under it.

    Where only the etag moved, the write reads again and retries; another epoch means that the lease is lost.
    """

    def __init__(
        self,
        *,
        partition: ConversationPartition,
        stored: Stored[L],
        written: Mapping[str, str],
        load: Callable[[], Awaitable[Stored[L] | None]],
        clock: Clock,
        seconds: float,
        asked: float,
    ) -> None:
        """`asked` is when the lease was asked for, on the monotonic clock: from then on it runs."""
        self.partition = partition
        self.stored = stored
        self.written = written
        """The etags of the last transaction's documents, by id."""
        self.seen_at = clock.monotonic()
        """When the record was last known to be ours, on the monotonic clock."""
        self.epoch = stored.record.lease.epoch
        self._load = load
        self._clock = clock
        self._seconds = seconds
        self._ends = asked + seconds
        self._lock = asyncio.Lock()
        self._renewal: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._work: asyncio.Task[Any] | None = None
        self._asked = Transaction()
        self._number = 0
        """What the last write that left asked for, and its number under this epoch."""
        self._then: Callable[[], None] = _nothing
        self._unheard = False
        """True while nobody knows whether it was done."""
        self.lost = False

    @property
    def given_back(self) -> bool:
        """Whether the record, as it was last seen, is nobody's: a write of ours gave the lease back, heard or not."""
        return self.stored.record.lease.until is None

    @classmethod
    async def take(
        cls,
        *,
        step: Step,
        partition: ConversationPartition,
        stored: Stored[L],
        load: Callable[[], Awaitable[Stored[L] | None]],
        clock: Clock,
        seconds: float,
        change: Callable[[L, Transaction], L],
    ) -> Self:
        """Take the lease in one transaction with the first work under it. Raises Conflict when someone was faster."""
        asked, now = clock.monotonic(), clock.now()
        lease = taken(stored.record.lease, now=now, seconds=seconds)
        transaction = Transaction()
        head = stored.record.with_(lease=lease, bell_at=None, wake_at=watched(now + timedelta(seconds=seconds)))
        head = change(head, transaction)
        transaction.save_first(stored, head)
        etags = await partition.commit(step, transaction)
        return cls(
            partition=partition,
            stored=Stored(stored.id, head, etags[stored.id]),
            written=etags,
            load=load,
            clock=clock,
            seconds=seconds,
            asked=asked,
        )

    async def __aenter__(self) -> Self:
        self._schedule()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._timer:
            self._timer.cancel()
        if self._renewal and not self._renewal.done():
            self._renewal.cancel()

    def now(self) -> datetime:
        """The present, by the clock that the lease goes by."""
        return self._clock.now()

    def assert_running(self) -> None:
        """Raise LeaseLost unless the lease still runs by this process's own clock. For right before something leaves."""
        if self.lost or self._clock.monotonic() >= self._ends:
            raise LeaseLost(f"the lease on {self.partition.id!r} ran out (epoch {self.epoch})")

    async def guard(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work that losing the lease cancels. Raises LeaseLost then."""
        task = asyncio.get_running_loop().create_task(work)
        self._work = task
        try:
            return await task
        except asyncio.CancelledError:
            if self.lost:
                raise LeaseLost(f"the lease on {self.partition.id!r} was lost while working") from None
            raise
        finally:
            self._work = None

    async def refresh(self) -> L:
        """Read the record again. Raises LeaseLost when another epoch is there."""
        found = await self._load()
        if found is None or found.record.lease.epoch != self.epoch:
            self.lost = True
            raise LeaseLost(f"the lease on {self.partition.id!r} was taken over (held epoch {self.epoch})")
        self.stored = found
        self.seen_at = self._clock.monotonic()
        return found.record

    async def write(self, step: Step, change: Change[L], *, then: Callable[[], None] = _nothing) -> L:
        """Do one transaction under the lease. Raises LeaseLost when it was given back or the epoch is no longer ours.

        `then` is called once it is done, before any other write; also where the caller was cancelled meanwhile.
        """
        async with self._lock:
            own = False  # whether the last write that left is this one, not one before it that was cut
            for _ in range(RACES):
                try:
                    if self._unheard and await self._was_done() and own:
                        return self.stored.record
                    self._unheard = self._unheard and own
                    if self.given_back:
                        raise LeaseLost(f"the lease on {self.partition.id!r} was given back (epoch {self.epoch})")
                    own = True
                    return await self._attempt(step, change, then)
                except Conflict:
                    await self.refresh()
                except StoreUnavailable:
                    # What was computed is worth waiting for, as long as the lease runs.
                    if self._clock.monotonic() + STORE_PAUSE >= self._ends:
                        raise
                    await asyncio.sleep(STORE_PAUSE)
        raise RuntimeError(f"{step}: lost {RACES} races on {self.partition.id!r}")

    async def _attempt(self, step: Step, change: Change[L], then: Callable[[], None]) -> L:
        stored, transaction = self.stored, Transaction()
        head = await change(stored.record, transaction)
        self._asked, self._number, self._then = transaction, stored.record.lease.writes + 1, then
        head = head.with_(lease=head.lease.model_copy(update={"writes": self._number}))
        transaction.save_first(stored, head)
        await _to_its_end(self._commit(step, head, transaction))
        return head

    async def _commit(self, step: Step, head: L, transaction: Transaction) -> None:
        try:
            written = await self.partition.commit(step, transaction)
        except StoreUnavailable:
            self._unheard = True
            raise
        self._note(head, written)

    async def _was_done(self) -> bool:
        """Whether the last write was done, although the store's answer got lost."""
        head = await self.refresh()
        if head.lease.writes != self._number:
            return False
        seen = self.stored
        etags = await self.partition.etags(self._asked)
        # Somebody may have written the head in between: its etag is the one that it was read with, or they are overwritten.
        self._note(head, {**etags, seen.id: seen.etag})
        return True

    def _note(self, head: L, written: Mapping[str, str]) -> None:
        self.written = written
        self.stored = Stored(self.stored.id, head, written[self.stored.id])
        self.seen_at = self._clock.monotonic()
        self._unheard = False
        self._then()

    def extended(self, head: L) -> L:
        """The head with a full lease from now on."""
        until = self._clock.now() + timedelta(seconds=self._seconds)
        return head.with_(lease=head.lease.model_copy(update={"until": until}), wake_at=watched(until))

    def given(self, head: L, **changes: object) -> L:
        """The head with the lease given back and nothing that must still be done."""
        return head.with_(lease=released(head.lease), **{"wake_at": None, "ring": None, **changes})

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._seconds / 3, self._start_renewal)

    def _start_renewal(self) -> None:
        self._renewal = asyncio.get_running_loop().create_task(self._renew())

    async def _renew(self) -> None:
        asked = self._clock.monotonic()

        async def extend(head: L, _: Transaction) -> L:
            return self.extended(head)

        try:
            await self.write(Step.RENEW_LEASE, extend)
            self._ends = asked + self._seconds
        except LeaseLost:
            # While this waited for its turn to write, the last write may have given the lease back.
            if not self.given_back:
                log.warning("lease lost: another holder took over")
                self._lose()
            return
        except StoreUnavailable:
            if self._clock.monotonic() >= self._ends:
                log.warning("lease lost: the store was away for as long as it ran")
                self._lose()
                return
        self._schedule()

    def _lose(self) -> None:
        self.lost = True
        if self._work:
            self._work.cancel()

"""The local broker: Service Bus's semantics on one SQLite file, for any number of processes of one machine."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from shared import telemetry
from shared.messages import Conflict, QueueUnavailable, Refused
from shared.ports import QueueMessage, Received
from shared.queues import limits
from shared.queues import sqlite_receive as receiving
from shared.queues import sqlite_send as sending
from shared.queues import sqlite_settle as settling
from shared.queues.paths import QueuePath, paths
from shared.queues.sqlite_presence import Presence
from shared.queues.sqlite_receive import Locked, Look
from shared.queues.sqlite_schema import LOCK_LENGTH, SCHEMA, VERSION
from shared.queues.takers import Take, Taker, Takers
from shared.settings import Sync
from shared.sqlite import SqliteFile
from shared.steps import Step
from shared.topology import DEAD_LETTER_SUFFIX, QUEUES, QueueSettings
from shared.wakeups import Wakeups, key

if TYPE_CHECKING:
    from shared.ports import Clock, Parts, QueueDepth

T = TypeVar("T")

FILE = "queues.db"
POLL_SECONDS = 0.25
"""How often a waiter looks by itself: for locks that ended, and for a datagram that got lost."""
SHARE_SECONDS = 0.005
"""How long the removal of a message may wait for another write, to share its transaction."""

_log = telemetry.logger("queues")


def build(parts: Parts) -> SqliteBroker:
    """The broker in the data folder."""
    return SqliteBroker(path=parts.settings.home / FILE, sync=parts.settings.sync, clock=parts.clock)


class SqliteBroker:
    """Implements `shared.ports.Broker`. One event loop per object; every object on a file is a client of its own."""

    def __init__(self, *, path: Path, sync: Sync, clock: Clock, queues: Mapping[str, QueueSettings] = QUEUES) -> None:
        """Open or create the file. Raises SettingError where that cannot be."""
        self._file = SqliteFile(path, schema=SCHEMA, version=VERSION, sync=sync, busy=QueueUnavailable)
        self._clock = clock
        self._queues = queues
        self._paths = paths(queues)
        self._wakeups = Wakeups()
        self._presence = Presence(file=self._file, wakeups=self._wakeups)
        self._takers = Takers()
        self._freeing: set[asyncio.Task[None]] = set()
        self._held: dict[tuple[str, str], str] = {}
        self._poll: asyncio.TimerHandle | None = None
        self._closed = False

    # --- sending

    async def send(self, *, step: Step, queue: str, messages: Sequence[QueueMessage]) -> None:
        """Send as one batch. Raises TooLarge, Refused for what Service Bus refuses, QueueUnavailable."""
        settings = self._queues.get(queue)
        if settings is None:
            raise Refused(f"there is no queue {queue!r} to send to")
        limits.check(queue, settings, messages)
        path, now = self._paths[queue], self._now()
        window = settings.duplicate_detection.total_seconds() if settings.duplicate_detection else 0.0
        sessions = {message.session for message in messages} if path.sessions else {""}
        taker = self._takers.claim(key(queue, *sessions)) if len(sessions) == 1 else None

        def write(connection: sqlite3.Connection) -> Locked:
            sending.insert(connection, path, messages, now, window)
            # For the one that waits, what it would find by looking next.
            return taker.lock(connection, now) if taker else ([], False)

        received, dead = await self._file.write(write, then=lambda locked: self._hand(queue, taker, locked))
        if not {message.id for message in messages} <= {message.id for message in received}:
            self._presence.ring(queue, sessions)
        if dead:
            self._presence.ring(queue + DEAD_LETTER_SUFFIX, {""})

    def _hand(self, queue: str, taker: Taker | None, locked: Locked) -> None:
        received, _ = locked
        if taker is None or not received:
            return
        if taker.gone:
            self._put_back(queue, received)
            return
        taker.received = received
        self._wakeups.wake([taker.waited])

    def _put_back(self, queue: str, messages: Sequence[Received]) -> None:
        """Free what was locked for one that had stopped waiting."""
        if messages:
            task = asyncio.get_running_loop().create_task(self._free(queue, messages))
            self._freeing.add(task)
            task.add_done_callback(self._freeing.discard)

    async def _free(self, queue: str, messages: Sequence[Received]) -> None:
        try:
            await self._file.write(lambda c: receiving.put_back(c, messages))
        except QueueUnavailable as error:
            _log.warning("messages stay locked until their locks expire: %s", error)
        self._presence.ring(queue, {message.session if self._paths[queue].sessions else "" for message in messages})

    # --- receiving

    async def receive(self, *, queue: str, limit: int, timeout: float = 0.0) -> Sequence[Received]:
        """Lock up to `limit` messages, the oldest first. Raises Refused on a queue with sessions."""
        path = self._path(queue)
        if path.sessions:
            raise Refused(f"{queue} has sessions: accept one of them")
        holder = await self._presence.join()
        return await self._take(
            path,
            "",
            lambda c, now: receiving.receive(c, path, limit, now, holder),
            lambda c: receiving.look(c, path, self._now()),
            timeout,
        )

    async def _take(
        self, path: QueuePath, session: str, take: Take, look: Callable[[sqlite3.Connection], Look], timeout: float
    ) -> Sequence[Received]:
        """Lock what is there; where nothing is, wait once until something is handed over or may be there."""
        if timeout > 0:
            await self._presence.listen([path.name])
        free, due = self._file.read(look)
        if free or (due is not None and due <= self._now()):
            return await self._lock_now(path, take)
        if timeout <= 0 or self._closed:
            return ()
        # Nothing has run since that look: what is sent from now on wakes.
        waited = key(path.name, session)
        with self._takers.waiting(waited, take) as taker:
            try:
                await self._until_rung([waited], timeout, due)
            except BaseException:
                self._put_back(path.name, taker.received)
                raise
        return taker.received

    async def _lock_now(self, path: QueuePath, take: Take) -> Sequence[Received]:
        now = self._now()
        received, dead = await self._file.write(lambda c: take(c, now))
        if dead:
            self._presence.ring(path.name + DEAD_LETTER_SUFFIX, {""})
        return received

    async def accept_session(self, *, queue: str) -> str | None:
        """Lock the free session that has waited for longest."""
        path = self._path(queue)
        if not path.sessions:
            raise Refused(f"{queue} has no sessions")
        holder = await self._presence.join()
        now = self._now()
        if not self._file.read(lambda c: receiving.available(c, path, now)):
            return None
        accepted = await self._file.write(lambda c: receiving.accept_session(c, path, now, holder))
        if accepted is None:
            return None
        session, self._held[queue, accepted[0]] = accepted
        return session

    async def receive_session(
        self, *, queue: str, session: str, limit: int, timeout: float = 0.0
    ) -> Sequence[Received]:
        """Lock the next messages of a session. Raises Conflict when this broker does not hold it any more."""
        path, lock = self._path(queue), self._lock(queue, session)
        return await self._take(
            path,
            session,
            lambda c, now: receiving.receive_session(c, path, session, lock, limit, now),
            lambda c: receiving.look_in_session(c, path, session, lock),
            timeout,
        )

    async def release_session(self, *, queue: str, session: str) -> None:
        """Give a session back; one whose lock was lost meanwhile is somebody else's and stays so."""
        lock = self._held.pop((queue, session), None)
        if lock is not None:
            path, now = self._path(queue), self._now()
            await self._file.write(lambda c: receiving.release_session(c, path, session, lock, now))
            self._presence.ring(queue, {""})

    # --- settling

    async def renew(self, *, message: Received) -> datetime:
        """Renew the lock for the queue's lock duration from now. Raises Conflict when it was lost."""
        until = await self._settle(settling.renew, message)
        return datetime.fromtimestamp(until, UTC)

    async def complete(self, *, step: Step, message: Received) -> None:
        """Remove it. Raises Conflict when the lock was lost."""
        await self._settle(settling.complete, message, patience=self._patience(message))

    def _patience(self, message: Received) -> float:
        """Nobody waits for a message to be gone, except the next one of its session."""
        path = self._path(message.queue)
        if path.sessions:
            lock = message.lock_token[:LOCK_LENGTH]
            free, _ = self._file.read(lambda c: receiving.look_in_session(c, path, message.session, lock))
            return 0.0 if free else SHARE_SECONDS
        return SHARE_SECONDS

    async def abandon(self, *, message: Received) -> None:
        """Give it back at once. Raises Conflict when the lock was lost."""
        dead = await self._settle(settling.abandon, message)
        self._presence.ring(
            message.queue + DEAD_LETTER_SUFFIX if dead else message.queue, {"" if dead else message.session}
        )

    async def dead_letter(self, *, message: Received, reason: str, description: str) -> None:
        """Move it to the queue's dead-letter queue. Raises Conflict when the lock was lost."""
        path, now = self._path(message.queue), self._now()
        if path.max_deliveries is None:
            raise Refused(f"{message.queue} is a dead-letter queue: what is in it cannot be dead-lettered again")
        await self._file.write(lambda c: settling.dead_letter(c, path, message, now, reason, description))
        self._presence.ring(message.queue + DEAD_LETTER_SUFFIX, {""})

    async def _settle(self, function: Callable[..., T], message: Received, *, patience: float = 0.0) -> T:
        path, now = self._path(message.queue), self._now()
        return await self._file.write(lambda c: function(c, path, message, now), patience=patience)

    # --- waiting

    async def wait(self, *, queues: Sequence[str], timeout: float, session: str = "") -> None:
        """Return when there may be something to receive, in the held `session` if one is given, or after `timeout`."""
        await self._presence.join()
        await self._presence.listen(queues)
        keys = [key(queue, session) for queue in queues]
        if self._closed or any(self._available(one) for one in keys):
            return
        await self._until_rung(keys, timeout, self._file.read(lambda c: receiving.next_scheduled(c, queues)))

    async def _until_rung(self, keys: Sequence[str], timeout: float, due: float | None) -> None:
        if self._poll is None:
            self._poll = asyncio.get_running_loop().call_later(POLL_SECONDS, self._look)
        if due is not None:
            timeout = min(timeout, due - self._now())
        await self._wakeups.wait(keys, timeout)

    def _available(self, waited: str) -> bool:
        queue, _, session = waited.partition("\n")
        path, now = self._path(queue), self._now()
        if not session:
            return self._file.read(lambda c: receiving.available(c, path, now))
        lock = self._held.get((queue, session), "")
        return self._file.read(lambda c: receiving.available_in_session(c, path, session, lock, now))

    def _look(self) -> None:
        """The safety net below the wake-ups; runs while somebody waits."""
        waiting = self._wakeups.waiting()
        if self._closed or not waiting:
            self._poll = None
            return
        self._poll = asyncio.get_running_loop().call_later(POLL_SECONDS, self._look)
        self._wakeups.wake([one for one in waiting if self._available(one)])
        self._presence.look_for_gone()

    # --- the rest

    async def depths(self) -> Sequence[QueueDepth]:
        """How much waits in each queue."""
        from shared.queues import sqlite_depths  # for operators: a webhook has no need of it

        return self._file.read(lambda c: sqlite_depths.depths(c, self._queues, self._now()))

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _path(self, queue: str) -> QueuePath:
        path = self._paths.get(queue)
        if path is None:
            raise Refused(f"there is no queue {queue!r}")
        return path

    def _lock(self, queue: str, session: str) -> str:
        try:
            return self._held[queue, session]
        except KeyError:
            raise Conflict(f"session {session} of {queue} is not held") from None

    async def close(self) -> None:
        """End the locks that are still held, and close the file."""
        if self._closed:
            return
        self._closed = True
        if self._poll:
            self._poll.cancel()
        await self._presence.leave()
        self._wakeups.close()
        await self._file.close()

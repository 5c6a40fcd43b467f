"""The broker of several machines: Service Bus's semantics on Redis Streams, for any number of processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from shared.clock import SystemClock
from shared.messages import Conflict, QueueUnavailable, Refused
from shared.ports import Clock, Parts, QueueDepth, QueueMessage, Received, Remark
from shared.queues import limits
from shared.queues.paths import QueuePath, paths
from shared.queues.redis_durability import Durability
from shared.queues.redis_ears import Ears
from shared.queues.redis_messages import (
    EPOCH,
    due_time,
    id_of,
    local_time,
    lock_time,
    microseconds,
    most_deliveries,
    parts_of,
    received,
)
from shared.queues.redis_presence import Presence
from shared.queues.redis_server import RedisServer
from shared.queues.redis_settings import RedisSettings
from shared.queues.unbroken import Unbroken
from shared.settings import Sync
from shared.steps import Step
from shared.topology import DEAD_LETTER_SUFFIX, QUEUES, QueueSettings
from shared.wakeups import key


def build(parts: Parts) -> RedisBroker:
    """The broker at the address in PRAXOS_QUEUE. Raises SettingError."""
    settings = RedisSettings.from_environ(parts.environ)
    return RedisBroker(
        address=parts.settings.queue,
        prefix=f"{settings.prefix}:{parts.settings.tenant}",
        sync=parts.settings.sync,
        settings=settings,
        clock=parts.clock,
        server_time=isinstance(parts.clock, SystemClock),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What a look or an attempt to lock found: messages, whether there is something, and when there may be."""

    messages: Sequence[Received] = ()
    something: bool = False
    due: datetime | None = None


class RedisBroker:
    """Implements `shared.ports.Broker`. One event loop per object; every object is a client of its own.

    Each decision is one Lua script, so it is atomic. What they decide by is the server's time: it is the one clock that
    all machines share, while a machine whose own clock is a minute ahead would take every lock from its holder. What is
    handed out is in the machine's own time, so that a lock is renewed early enough. Only with `server_time` False, for a
    clock that a test sets, is time `clock`'s.
    """

    def __init__(
        self,
        *,
        address: str,
        prefix: str,
        sync: Sync,
        settings: RedisSettings,
        clock: Clock,
        server_time: bool = True,
        queues: Mapping[str, QueueSettings] = QUEUES,
    ) -> None:
        """Connects on first use. Raises SettingError where the address is none."""
        self._server = RedisServer(address=address, timeout=settings.timeout_seconds, cluster=settings.cluster)
        self._durability = Durability(server=self._server, sync=sync)
        self._prefix = prefix
        self._clock = clock
        self._server_time = server_time
        self._queues = queues
        self._paths = paths(queues)
        self._presence = Presence(server=self._server, seconds=settings.holder_seconds, arguments=self._arguments)
        self._ears = Ears(server=self._server, channel=self._channel, clock=clock, patience=settings.timeout_seconds)
        self._held: dict[tuple[str, str], str] = {}
        self._unreleased: dict[tuple[str, str], str] = {}
        self._unbroken = Unbroken()
        self._closed = False

    # --- sending

    async def send(self, *, step: Step, queue: str, messages: Sequence[QueueMessage]) -> None:
        """Send as one batch. Raises TooLarge, Refused for what Service Bus refuses, QueueUnavailable."""
        settings = self._queues.get(queue)
        if settings is None:
            raise Refused(f"there is no queue {queue!r} to send to")
        limits.check(queue, settings, messages)
        window = settings.duplicate_detection or timedelta()
        sent = [part for message in messages for part in parts_of(message)]
        await self._unbroken.finish(self._run("send", queue, "", microseconds(window), *sent))

    # --- receiving

    async def receive(self, *, queue: str, limit: int, timeout: float = 0.0) -> Sequence[Received]:
        """Lock up to `limit` messages, the oldest first. Raises Refused on a queue with sessions."""
        path = self._path(queue)
        if path.sessions:
            raise Refused(f"{queue} has sessions: accept one of them")

        async def lock() -> _Found:
            return await self._lock_messages(
                "receive", path, "", *self._holder(path), limit, lock_time(path), most_deliveries(path)
            )

        return await self._take(path, "", lock, timeout)

    async def accept_session(self, *, queue: str) -> str | None:
        """Lock the free session that has waited for longest."""
        path = self._path(queue)
        if not path.sessions:
            raise Refused(f"{queue} has no sessions")

        async def accept() -> tuple[str, str] | None:
            await self._release_again(queue)
            reply = await self._run("accept_session", queue, "", *self._holder(path), lock_time(path), uuid4().hex)
            return (reply[0].decode(), reply[1].decode()) if reply else None

        async def release(accepted: tuple[str, str] | None) -> None:
            if accepted:
                await self._run("release_session", queue, *accepted)

        accepted = await self._unbroken.finish(accept(), undo=release)
        if accepted is None:
            return None
        session, self._held[queue, accepted[0]] = accepted
        return session

    async def receive_session(
        self, *, queue: str, session: str, limit: int, timeout: float = 0.0
    ) -> Sequence[Received]:
        """Lock the next messages of a session. Raises Conflict when this broker does not hold it any more."""
        path, lock = self._path(queue), self._held.get((queue, session))
        if lock is None:
            raise Conflict(f"session {session} of {queue} is not held")

        async def take() -> _Found:
            return await self._lock_messages("receive_session", path, session, lock, limit, most_deliveries(path))

        return await self._take(path, session, take, timeout)

    async def release_session(self, *, queue: str, session: str) -> None:
        """Give a session back; one whose lock was lost meanwhile is somebody else's and stays so."""
        lock = self._held.pop((queue, session), None)
        if lock is None:
            return
        try:
            await self._unbroken.finish(self._run("release_session", queue, session, lock))
        except QueueUnavailable:
            self._unreleased[queue, session] = lock
            raise

    async def _release_again(self, queue: str) -> None:
        """Give back what could not be while the server was away: nobody else can until the lock ends."""
        for (name, session), lock in list(self._unreleased.items()):
            if name == queue:
                await self._run("release_session", queue, session, lock)
                self._unreleased.pop((name, session), None)

    async def _take(
        self, path: QueuePath, session: str, take: Callable[[], Coroutine[Any, Any, _Found]], timeout: float
    ) -> Sequence[Received]:
        """Lock what is there; where nothing is, do it again each time that something may be there."""

        async def put_back(found: _Found) -> None:
            ids = [part for each in found.messages for part in (id_of(each), each.lock_token)]
            if ids:
                await self._run("put_back", path.name, session, *ids)

        end = asyncio.get_running_loop().time() + timeout
        if timeout > 0:
            await self._ears.listen([path.name])
        waited = False
        while True:
            rung = self._ears.rung(path.name)
            try:
                found = await self._unbroken.finish(take(), undo=put_back)
            except Conflict:
                if waited:  # the next call says so
                    return ()
                raise
            left = end - asyncio.get_running_loop().time()
            if found.messages or left <= 0 or self._closed:
                return found.messages
            waited = True
            if rung == self._ears.rung(path.name):
                await self._ears.wait([key(path.name, session)], left, found.due)

    async def _lock_messages(self, script: str, path: QueuePath, session: str, *arguments: str | float) -> _Found:
        before = self._clock.now()
        reply = await self._run(script, path.name, session, *arguments)
        if reply is None:
            raise Conflict(f"the lock of session {session} of {path.name} was lost")
        now, due, until, entries = reply
        ends = local_time(until, now, before)
        return _Found([received(path, entry, ends) for entry in entries], bool(entries), due_time(due, now, before))

    # --- settling

    async def renew(self, *, message: Received) -> datetime:
        """Renew the lock of the message, or of its session. Raises Conflict when it was lost."""
        before = self._clock.now()
        now, until = await self._settle("renew", message, lock_time(self._path(message.queue)))
        return local_time(until, now, before)

    async def complete(self, *, step: Step, message: Received) -> None:
        """Remove it. Raises Conflict when the lock was lost."""
        await self._settle("complete", message)

    async def abandon(self, *, message: Received) -> None:
        """Give it back at once. Raises Conflict when the lock was lost."""
        await self._settle("abandon", message, most_deliveries(self._path(message.queue)))

    async def dead_letter(self, *, message: Received, reason: str, description: str) -> None:
        """Move it to the queue's dead-letter queue. Raises Conflict when the lock was lost."""
        if self._path(message.queue).max_deliveries is None:
            raise Refused(f"{message.queue} is a dead-letter queue: what is in it cannot be dead-lettered again")
        await self._settle("dead_letter", message, reason, description)

    async def _settle(self, script: str, message: Received, *arguments: str | float) -> Any:
        what = (message.session, id_of(message), message.lock_token, *arguments)
        reply = await self._unbroken.finish(self._run(script, message.queue, *what))
        if reply is None:
            raise Conflict(f"the lock of message {message.id} of {message.queue} was lost")
        return reply

    # --- waiting

    async def wait(self, *, queues: Sequence[str], timeout: float, session: str = "") -> None:
        """Return when there may be something to receive, in the held `session` if one is given, or after `timeout`."""
        await self._ears.listen(queues)
        rung = [self._ears.rung(queue) for queue in queues]
        looks = [await self._look(queue, session) for queue in queues]
        missed = rung != [self._ears.rung(queue) for queue in queues]
        if not missed and not self._closed and not any(look.something for look in looks):
            due = min((look.due for look in looks if look.due), default=None)
            await self._ears.wait([key(queue, session) for queue in queues], timeout, due)

    async def _look(self, queue: str, session: str) -> _Found:
        before = self._clock.now()
        now, due, something = await self._run("look", queue, session, self._held.get((queue, session), ""))
        return _Found(something=bool(something), due=due_time(due, now, before))

    # --- the rest

    async def depths(self) -> Sequence[QueueDepth]:
        """How much waits in each queue. Raises QueueUnavailable."""
        from shared.queues import redis_depths  # for operators

        before = self._clock.now()
        replies = [await self._run("depth", queue, "", redis_depths.SESSIONS) for queue in self._queues]
        return [redis_depths.depth(queue, each, before) for queue, each in zip(self._queues, replies, strict=True)]

    async def examine(self) -> Sequence[Remark]:
        """What the server's own settings mean for what Praxos promises. Raises QueueUnavailable."""
        return await self._durability.remarks()

    async def _run(self, script: str, queue: str, *arguments: str | bytes | float) -> Any:
        await self._durability.check()
        return await self._server.run(script, *self._arguments(queue), *arguments)

    def _arguments(self, queue: str) -> tuple[str, str, str]:
        """What every script begins with: the key of the queue, the time, the kind of path."""
        path = self._path(queue)
        kind = "sessions" if path.sessions else "plain" if path.max_deliveries is not None else "dead"
        return self._key(queue), "" if self._server_time else str(microseconds(self._clock.now() - EPOCH)), kind

    def _key(self, queue: str) -> str:
        return f"{{{self._prefix}:{queue.removesuffix(DEAD_LETTER_SUFFIX)}}}"

    def _channel(self, queue: str) -> str:
        return f"{self._key(queue)}{':dead' if queue.endswith(DEAD_LETTER_SUFFIX) else ''}:wake"

    def _path(self, queue: str) -> QueuePath:
        path = self._paths.get(queue)
        if path is None:
            raise Refused(f"there is no queue {queue!r}")
        return path

    def _holder(self, path: QueuePath) -> tuple[str, int]:
        self._presence.use(path.name.removesuffix(DEAD_LETTER_SUFFIX))
        return self._presence.holder, self._presence.microseconds

    async def close(self) -> None:
        """End the locks that are still held, and close the connections."""
        if self._closed:
            return
        self._closed = True
        self._ears.wake_all()
        await self._unbroken.all_done()
        await self._presence.leave()
        await self._ears.close()
        await self._server.close()

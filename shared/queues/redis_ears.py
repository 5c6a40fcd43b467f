"""Hears over Redis's channels that there may be something to receive: nobody who waits has to ask."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from redis.asyncio.client import PubSub

from shared import telemetry
from shared.messages import QueueUnavailable
from shared.ports import Clock
from shared.queues.redis_server import RedisServer, answered
from shared.wakeups import Wakeups, key

QUIET_SECONDS = 10.0
"""After so long without a word the connection is tried: a peer that vanished says nothing."""
AGAIN_SECONDS = 0.2
"""How long after a loss it connects again."""
TICK_SECONDS = 0.25
"""How often a waiter looks at its own clock for what is due: clocks are set, and a test's stands still."""

_log = telemetry.logger("queues")


class Ears:
    """One connection that hears the channels of the paths that somebody waits for."""

    def __init__(self, *, server: RedisServer, channel: Callable[[str], str], clock: Clock, patience: float) -> None:
        self._server = server
        self._channel = channel
        self._clock = clock
        self._patience = patience
        self._wakeups = Wakeups()
        self._paths: dict[bytes, str] = {}
        self._hears: dict[str, asyncio.Future[None]] = {}
        self._rung: Counter[str] = Counter()
        self._pubsub: PubSub | None = None
        self._task: asyncio.Task[None] | None = None

    def rung(self, path: str) -> int:
        """How often it rang for a path: whoever looks, finds nothing and reads another number has to look again."""
        return self._rung[path]

    async def listen(self, paths: Sequence[str]) -> None:
        """Return once whatever is sent to the paths from now on is heard. Raises QueueUnavailable."""
        loop = asyncio.get_running_loop()
        for path in paths:
            if path in self._hears:
                continue
            channel = self._channel(path)
            self._paths[channel.encode()] = path
            self._hears[path] = loop.create_future()
            if self._pubsub:
                with answered():
                    await self._pubsub.subscribe(channel)
        if self._task is None:
            self._task = loop.create_task(self._hear_for_ever())
        waited = [self._hears[path] for path in paths]
        if not all(each.done() for each in waited):
            await asyncio.wait(waited, timeout=self._patience)
        for each in waited:
            if not each.done():
                raise QueueUnavailable(f"Redis does not answer (PRAXOS_QUEUE): nothing within {self._patience:g} s")
            each.result()

    async def wait(self, keys: Sequence[str], timeout: float, due: datetime | None) -> None:
        """Return when it rang for one of the keys, at `due`, after `timeout` seconds, or when the connection is lost."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while (left := end - loop.time()) > 0 and (due is None or self._clock.now() < due):
            pause = min(left, TICK_SECONDS if due else left)
            if due:
                pause = min(pause, (due - self._clock.now()).total_seconds())
            if await self._wakeups.wait(keys, pause):
                return

    async def _hear_for_ever(self) -> None:
        while True:
            try:
                with answered():
                    async with await self._server.listener() as pubsub:
                        await self._hear(pubsub)
            except QueueUnavailable as error:
                _log.warning("wake-ups are not heard: %s", error)
                self._lost(error)
            except Exception:  # noqa: BLE001  a bug must not end the hearing
                _log.exception("wake-ups are not heard")
                self._lost(QueueUnavailable("wake-ups are not heard"))
            await asyncio.sleep(AGAIN_SECONDS)

    async def _hear(self, pubsub: PubSub) -> None:
        subscribed: set[bytes] = set()
        while missing := self._paths.keys() - subscribed:
            await pubsub.subscribe(*missing)
            subscribed |= missing
        self._pubsub = pubsub  # from here on `listen` subscribes by itself: while it connects, a second one would too
        asked = False
        while True:
            message = await pubsub.get_message(timeout=QUIET_SECONDS)
            if message is None:
                if asked:
                    raise OSError("the connection that hears wake-ups has gone quiet")
                await pubsub.ping()
            elif message["type"] == "message":
                self._ring(self._paths[message["channel"]], message["data"].decode())
            elif message["type"] == "subscribe":
                self._hears_now(self._paths[message["channel"]])
            asked = message is None

    def _hears_now(self, path: str) -> None:
        if not self._hears[path].done():
            self._hears[path].set_result(None)

    def _ring(self, path: str, session: str) -> None:
        self._rung[path] += 1
        self._wakeups.wake([key(path, session)])

    def _lost(self, error: QueueUnavailable) -> None:
        """Tell whoever waits; they come back, and then wait for the channels to be heard again."""
        self._pubsub = None
        waited, loop = self._hears, asyncio.get_running_loop()
        self._hears = {path: loop.create_future() for path in waited}
        for each in waited.values():
            if not each.done():
                each.set_exception(error)
                each.exception()  # nobody has to wait for it
        self._rung.update(list(waited))
        self._wakeups.wake(self._wakeups.waiting())

    def wake_all(self) -> None:
        """Let every waiter go."""
        self._wakeups.close()

    async def close(self) -> None:
        """Hear no more."""
        self.wake_all()
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})

"""An open Redis broker says that it is alive; the locks of one that has fallen silent are given back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from uuid import uuid4

from shared import telemetry
from shared.messages import PraxosError, QueueUnavailable
from shared.queues.redis_server import RedisServer

BEATS = 8
"""How often in the time after which it counts as gone a holder says that it is alive."""
GRACE_SECONDS = 1.0
"""A holder that could not be heard itself gives the others so long to be heard again before it clears up after them."""

_log = telemetry.logger("queues")


class Presence:
    """Right across machines: it goes by the server's own time, and by nothing that only one machine can see.

    So a process that is frozen for longer counts as gone, as in Service Bus it would once its locks have ended.
    """

    def __init__(
        self, *, server: RedisServer, seconds: float, arguments: Callable[[str], Sequence[str | bytes | float]]
    ) -> None:
        """`arguments(queue)` are those that every script of a queue begins with."""
        self.holder = uuid4().hex
        self.microseconds = round(seconds * 1_000_000)
        self._pause = seconds / BEATS
        self._server = server
        self._arguments = arguments
        self._queues: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def use(self, queue: str) -> None:
        """From now on this broker may hold locks of a queue."""
        self._queues.add(queue)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._beat_for_ever())

    async def _beat_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        steady_since = loop.time()
        while True:
            await asyncio.sleep(self._pause)
            try:
                heard = await self._beat(clear_up=loop.time() - steady_since >= GRACE_SECONDS)
            except QueueUnavailable:
                heard = False  # whoever wants something of the server says so
            except Exception:  # noqa: BLE001  a bug must not end what keeps the locks
                _log.exception("locks may end early: that this process is alive could not be said")
                heard = False
            if not heard:
                steady_since = loop.time()

    async def _beat(self, *, clear_up: bool) -> bool:
        heard = True
        for queue in sorted(self._queues):
            arguments = (*self._arguments(queue), "", self.holder, self.microseconds, int(clear_up))
            heard = bool(await self._server.run("beat", *arguments)) and heard
        if not heard:
            _log.warning("this process was silent for too long: what it had locked may have gone to others")
        return heard

    async def leave(self) -> None:
        """End the locks that this broker still holds."""
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})
        try:
            for queue in sorted(self._queues):
                await self._server.run("leave", *self._arguments(queue), "", self.holder)
        except PraxosError as error:
            _log.warning("locks stay until this process counts as gone: %s", error)

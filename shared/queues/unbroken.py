"""Work that runs to its end although whoever waits for it is cancelled: a server may have done it all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from shared import telemetry
from shared.messages import Conflict, QueueUnavailable

T = TypeVar("T")

_log = telemetry.logger("queues")


class Unbroken:
    """The work of one broker that has begun and must not be cut off."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    async def finish(
        self, work: Coroutine[Any, Any, T], *, undo: Callable[[T], Coroutine[Any, Any, None]] | None = None
    ) -> T:
        """Do it. Where the caller is cancelled meanwhile, nobody sees what came of it, so then it is undone."""
        task = asyncio.get_running_loop().create_task(work)
        self._keep(task)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if undo:
                self._keep(asyncio.get_running_loop().create_task(_undone(task, undo)))
            raise

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # whoever was cancelled meanwhile does not ask for it

    async def all_done(self) -> None:
        """Return when nothing runs any more."""
        while self._running:
            await asyncio.wait(self._running)


async def _undone(task: asyncio.Task[T], undo: Callable[[T], Coroutine[Any, Any, None]]) -> None:
    try:
        await undo(await task)
    except Conflict:
        return
    except QueueUnavailable as error:
        _log.warning("what was locked stays so until its lock expires: %s", error)

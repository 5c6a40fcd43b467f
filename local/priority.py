"""Keeps work that nobody waits for out of the way of work that somebody does wait for, in one process."""

from __future__ import annotations

import asyncio

from local.invocations import Invocations

QUIET_SECONDS = 0.1
"""How long nothing interactive must have run before a background message starts."""
AT_MOST_SECONDS = 1.0
"""A background message starts after this time in any case, so that it never starves."""
YOUNG_SECONDS = 0.25
"""One that runs for longer waits for something outside, such as a model, rather than using the processor."""


class BackgroundGate:
    """Lets background messages start one by one, in the pauses of everything else."""

    def __init__(self, invocations: Invocations) -> None:
        self._invocations = invocations
        self._last: asyncio.Task[None] | None = None

    async def wait(self) -> None:
        """Return when one more may start."""
        if self._last and not self._last.done():
            await asyncio.wait({self._last}, timeout=YOUNG_SECONDS)
        await self._invocations.quiet(seconds=QUIET_SECONDS, at_most=AT_MOST_SECONDS)

    def started(self, task: asyncio.Task[None]) -> None:
        """One started."""
        self._last = task

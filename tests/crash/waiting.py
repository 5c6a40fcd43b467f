"""Waiting for a condition, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.fakes.cosmos import beside


def patience() -> int:
    """How much longer than on SQLite everything is waited for.

    Behind Cosmos DB's library each step costs some four times the processor, and a dozen processes share a few cores.
    """
    return 1 if beside.chosen() is beside.Kind.SQLITE else 4


class NotInTime(AssertionError):
    """What was waited for did not come."""


async def until(
    condition: Callable[[], Awaitable[Any] | Any], *, seconds: float, what: str, every: float = 0.02
) -> Any:
    """Poll a condition until it holds; return what it gave. Raises NotInTime with `what` when it does not."""
    loop = asyncio.get_running_loop()
    seconds *= patience()
    deadline = loop.time() + seconds
    while True:
        result = condition()
        if isinstance(result, Awaitable):
            result = await result
        if result:
            return result
        if loop.time() >= deadline:
            raise NotInTime(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(every)

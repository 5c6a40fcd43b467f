"""Ending tasks in an orderly way."""

from __future__ import annotations

import asyncio
from collections.abc import Set as AbstractSet
from typing import Any

from shared import telemetry

_log = telemetry.logger("local.tasks")


async def settle_tasks(tasks: AbstractSet[asyncio.Task[Any]], *, seconds: float) -> None:
    """Let the tasks finish for so many seconds, then cancel what still runs and wait for it as long again, at least 1 s."""
    left = {task for task in tasks if not task.done()}
    if left and seconds:
        _, left = await asyncio.wait(left, timeout=seconds)
        if left:
            _log.warning("%d invocations did not end within %g s and are cancelled", len(left), seconds)
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=max(seconds, 1.0))

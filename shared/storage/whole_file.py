"""A SQLite file that appears at once and whole: what others see is never half made."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path


async def appear(path: Path, *, fill: Callable[[Path], Awaitable[None]]) -> None:
    """Make the file, readable by its owner only, unless it is there. `fill` makes its tables at the path it is given.

    The libraries make their tables in steps that neither bear a second process beside them nor being killed between them.
    """
    if await asyncio.to_thread(path.exists):
        return
    fresh = path.with_name(f"{path.name}.{uuid.uuid4().hex}.new")
    try:
        await asyncio.to_thread(_make_private, fresh)
        await fill(fresh)
        with suppress(FileExistsError):
            await asyncio.to_thread(os.link, fresh, path)
    finally:
        await asyncio.to_thread(fresh.unlink, missing_ok=True)


def _make_private(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)

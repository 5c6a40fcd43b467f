"""A SQLite file that appears at once and whole: what others see is never half made."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

from shared.messages import SettingError, StoreUnavailable
from shared.settings import Sync

T = TypeVar("T")
Opening = Callable[[Path, Sync], AbstractAsyncContextManager[T]]
"""Opens a file and makes the tables that it lacks."""

BUSY_MS = 5_000
"""How long a library's write waits for another process's."""


def pragmas(sync: Sync) -> tuple[str, ...]:
    """What is said to a connection before a library uses it."""
    return (f"PRAGMA busy_timeout={BUSY_MS}", "PRAGMA journal_mode=WAL", f"PRAGMA synchronous={sync.value}")


@asynccontextmanager
async def connect(path: Path, *, sync: Sync, opening: Opening[T]) -> AsyncIterator[T]:
    """Open or create the file. Raises SettingError where it cannot be used, StoreUnavailable where it is busy."""

    async def fill(fresh: Path) -> None:
        async with opening(fresh, Sync.FULL):
            pass

    try:
        await appear(path, fill=fill)
        async with opening(path, sync) as opened:
            yield opened
    except (OSError, sqlite3.Error) as error:
        if "locked" in str(error):
            raise StoreUnavailable(f"{path.name} is busy: {error}") from None
        raise SettingError(f"PRAXOS_HOME: {path} cannot be used: {error}") from None


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

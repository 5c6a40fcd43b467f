"""LangGraph's SQLite store, with its errors as ours. Slow to import: `memory_store` does so in a thread."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from langgraph.store.base import Op, Result
from langgraph.store.sqlite.aio import AsyncSqliteStore

from shared.messages import SettingError, StoreUnavailable
from shared.settings import Sync
from shared.storage import whole_file

BUSY_MS = 5_000
"""How long a write waits for another process's."""


class _GuardedStore(AsyncSqliteStore):
    """The library's store, which raises StoreUnavailable where the file is busy or its disk fails."""

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do the operations in one transaction: every other method ends up here."""
        try:
            return await super().abatch(ops)
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(f"the memory store did not answer: {error}") from None


@asynccontextmanager
async def connect(path: Path, *, sync: Sync) -> AsyncIterator[AsyncSqliteStore]:
    """Open or create the file. Raises SettingError where it cannot be used, StoreUnavailable where it is busy."""
    try:
        await whole_file.appear(path, fill=_fill)
        async with _opened(path, sync=sync) as store:
            yield store
    except (OSError, sqlite3.Error) as error:
        if "locked" in str(error):
            raise StoreUnavailable(f"{path.name} is busy: {error}") from None
        raise SettingError(f"PRAXOS_HOME: {path} cannot be used: {error}") from None


async def _fill(path: Path) -> None:
    async with _opened(path, sync=Sync.FULL):
        pass


@asynccontextmanager
async def _opened(path: Path, *, sync: Sync) -> AsyncIterator[AsyncSqliteStore]:
    async with _GuardedStore.from_conn_string(str(path)) as store:
        await store.conn.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        await store.conn.execute("PRAGMA journal_mode=WAL")
        await store.conn.execute(f"PRAGMA synchronous={sync.value}")
        await store.setup()
        yield store

"""LangGraph's SQLite store, with its errors as ours. Slow to import: `memory_store` does so in a thread."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from langgraph.store.base import Op, Result
from langgraph.store.sqlite.aio import AsyncSqliteStore

from shared.messages import StoreUnavailable
from shared.settings import Sync
from shared.storage import whole_file


class _GuardedStore(AsyncSqliteStore):
    """The library's store, which raises StoreUnavailable where the file is busy or its disk fails."""

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do the operations in one transaction: every other method ends up here."""
        try:
            return await super().abatch(ops)
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(f"the memory store did not answer: {error}") from None


def connect(path: Path, *, sync: Sync) -> AbstractAsyncContextManager[AsyncSqliteStore]:
    """Open or create the file. Raises SettingError where it cannot be used, StoreUnavailable where it is busy."""
    return whole_file.connect(path, sync=sync, opening=_opened)


@asynccontextmanager
async def _opened(path: Path, sync: Sync) -> AsyncIterator[AsyncSqliteStore]:
    async with _GuardedStore.from_conn_string(str(path)) as store:
        for pragma in whole_file.pragmas(sync):
            await store.conn.execute(pragma)
        await store.setup()
        yield store

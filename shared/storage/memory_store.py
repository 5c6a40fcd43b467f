"""Long-term memory on one machine: a SQLite file of its own, opened on first use."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from shared.ports import Parts
from shared.settings import Sync

if TYPE_CHECKING:
    from langgraph.store.base import BaseStore

FILE = "memory.db"


class SqliteMemoryStore:
    """Opens the store once and hands it out."""

    def __init__(self, *, path: Path, sync: Sync) -> None:
        self._path = path
        self._sync = sync
        self._opening = asyncio.Lock()
        self._opened = AsyncExitStack()
        self._store: BaseStore | None = None

    async def open(self) -> BaseStore:
        """The open store. Raises SettingError where the file cannot be used, StoreUnavailable where it is busy."""
        async with self._opening:
            if self._store is None:
                self._store = await self._connect()
            return self._store

    async def _connect(self) -> BaseStore:
        library = await asyncio.to_thread(import_module, "shared.storage.langgraph_store")
        store: BaseStore = await self._opened.enter_async_context(library.connect(self._path, sync=self._sync))
        return store

    async def close(self) -> None:
        """Close the file."""
        async with self._opening:
            self._store = None
            await self._opened.aclose()


def build(parts: Parts) -> SqliteMemoryStore:
    """Make the store; nothing is opened yet."""
    return SqliteMemoryStore(path=parts.settings.home / FILE, sync=parts.settings.sync)

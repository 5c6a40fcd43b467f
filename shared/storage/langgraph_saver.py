"""LangGraph's SQLite saver, with its errors as ours. Slow to import: `checkpoints` does so in a thread."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from shared.messages import SettingError, StoreUnavailable
from shared.settings import Sync
from shared.storage import whole_file

BUSY_MS = 5_000
"""How long a write waits for another process's."""


class _GuardedSaver(AsyncSqliteSaver):
    """The library's saver, which raises StoreUnavailable where the file is busy or its disk fails."""

    @asynccontextmanager
    async def _guarded(self) -> AsyncIterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            # What failed may have begun a transaction, and whatever comes next would be stuck in it.
            async with self.lock:
                with suppress(sqlite3.Error):
                    await self.conn.rollback()
            raise StoreUnavailable(f"the checkpoints did not answer: {error}") from None

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """One checkpoint with its pending writes."""
        async with self._guarded():
            return await super().aget_tuple(config)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint."""
        async with self._guarded():
            return await super().aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep what a task wrote after a checkpoint."""
        async with self._guarded():
            await super().aput_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """Remove a thread."""
        async with self._guarded():
            await super().adelete_thread(thread_id)


@asynccontextmanager
async def connect(path: Path, *, sync: Sync) -> AsyncIterator[AsyncSqliteSaver]:
    """Open or create the file. Raises SettingError where it cannot be used, StoreUnavailable where it is busy."""
    try:
        await whole_file.appear(path, fill=_fill)
        async with _opened(path, sync=sync) as saver:
            yield saver
    except (OSError, sqlite3.Error) as error:
        if "locked" in str(error):
            raise StoreUnavailable(f"{path.name} is busy: {error}") from None
        raise SettingError(f"PRAXOS_HOME: {path} cannot be used: {error}") from None


async def _fill(path: Path) -> None:
    async with _opened(path, sync=Sync.FULL):
        pass


@asynccontextmanager
async def _opened(path: Path, *, sync: Sync) -> AsyncIterator[AsyncSqliteSaver]:
    async with _GuardedSaver.from_conn_string(str(path)) as saver:
        await saver.conn.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        await saver.conn.execute("PRAGMA journal_mode=WAL")
        await saver.conn.execute(f"PRAGMA synchronous={sync.value}")
        await saver.setup()
        yield saver

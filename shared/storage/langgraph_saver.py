"""LangGraph's SQLite saver, with its errors as ours. Slow to import: `checkpoints` does so in a thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.sqlite import SqliteSaver

from shared.messages import StoreUnavailable
from shared.settings import Sync
from shared.storage import whole_file

T = TypeVar("T")


class OneThreadSaver(SqliteSaver):
    """The library's saver in a thread of its own, for callers on an event loop.

    The library's asynchronous one goes to its thread and back for every statement, six times for a checkpoint: under load
    each of these ways costs a round of the loop, one checkpoint after the other.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoints")

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """One checkpoint with its pending writes."""
        return await self.do(lambda: self.get_tuple(config))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint."""
        return await self.do(lambda: self.put(config, checkpoint, metadata, new_versions))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep what a task wrote after a checkpoint."""
        await self.do(lambda: self.put_writes(config, writes, task_id, task_path))

    async def adelete_thread(self, thread_id: str) -> None:
        """Remove a thread."""
        await self.do(lambda: self.delete_thread(thread_id))

    async def do(self, call: Callable[[], T]) -> T:
        """Do it in the thread. Raises StoreUnavailable where the file is busy or its disk fails."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, call)

    def _guarded(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except sqlite3.OperationalError as error:
            # What failed may have begun a transaction, and whatever comes next would be stuck in it.
            with suppress(sqlite3.Error):
                self.conn.rollback()
            raise StoreUnavailable(f"the checkpoints did not answer: {error}") from None

    async def close(self) -> None:
        """Finish what is under way and close the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self.conn.close)
        self._thread.shutdown(wait=False)


def connect(path: Path, *, sync: Sync) -> AbstractAsyncContextManager[OneThreadSaver]:
    """Open or create the file. Raises SettingError where it cannot be used, StoreUnavailable where it is busy."""
    return whole_file.connect(path, sync=sync, opening=_opened)


@asynccontextmanager
async def _opened(path: Path, sync: Sync) -> AsyncIterator[OneThreadSaver]:
    saver = await asyncio.to_thread(_open, path, sync)
    try:
        yield saver
    finally:
        await saver.close()


def _open(path: Path, sync: Sync) -> OneThreadSaver:
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        for pragma in whole_file.pragmas(sync):
            connection.execute(pragma)
        saver = OneThreadSaver(connection)
        saver.setup()
    except BaseException:
        connection.close()
        raise
    return saver

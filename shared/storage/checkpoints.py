"""What runs go on from, on one machine: a SQLite file of its own, opened on first use."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared import telemetry
from shared.messages import StoreUnavailable
from shared.ports import Parts
from shared.settings import Sync

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver

FILE = "checkpoints.db"

_log = telemetry.logger(__name__)


class SqliteCheckpoints:
    """Opens the saver once and hands it out."""

    def __init__(self, *, path: Path, sync: Sync) -> None:
        self._path = path
        self._sync = sync
        self._opening = asyncio.Lock()
        self._opened = AsyncExitStack()
        self._saver: BaseCheckpointSaver[Any] | None = None

    async def open(self) -> BaseCheckpointSaver[Any]:
        """The open saver. Raises SettingError where the file cannot be used, StoreUnavailable where it is busy."""
        async with self._opening:
            if self._saver is None:
                self._saver = await self._connect()
            return self._saver

    async def _connect(self) -> BaseCheckpointSaver[Any]:
        library = await asyncio.to_thread(import_module, "shared.storage.langgraph_saver")
        saver: BaseCheckpointSaver[Any] = await self._opened.enter_async_context(
            library.connect(self._path, sync=self._sync)
        )
        return saver

    async def discard(self, *, threads: Sequence[str]) -> None:
        """Remove threads. One that cannot be removed now stays: nobody goes on from it."""
        saver = await self.open()
        for thread in threads:
            try:
                await saver.adelete_thread(thread)
            except StoreUnavailable as error:
                _log.warning("a checkpoint stays", extra={"fields": {"why": str(error)}})
                return

    async def close(self) -> None:
        """Close the file."""
        async with self._opening:
            self._saver = None
            await self._opened.aclose()


def build(parts: Parts) -> SqliteCheckpoints:
    """Make it; nothing is opened yet."""
    return SqliteCheckpoints(path=parts.settings.home / FILE, sync=parts.settings.sync)

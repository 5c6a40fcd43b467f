"""What the agent goes on from and what it remembers, in Cosmos DB: opened on first use, on the process's one client."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from shared import telemetry
from shared.messages import StoreUnavailable
from shared.ports import Parts
from shared.storage.cosmos_account import CosmosAccount, account_of

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.store.base import BaseStore

_log = telemetry.logger(__name__)


class CosmosCheckpoints:
    """Opens the saver once and hands it out."""

    def __init__(self, account: CosmosAccount, container: str) -> None:
        self._account = account
        self._name = container
        self._opening = asyncio.Lock()
        self._saver: BaseCheckpointSaver[Any] | None = None

    async def open(self) -> BaseCheckpointSaver[Any]:
        """The open saver. Raises StoreUnavailable."""
        async with self._opening:
            if self._saver is None:
                library = await _library()
                saver: BaseCheckpointSaver[Any] = library.Saver(await self._account.container(self._name))
                self._saver = saver
            return self._saver

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
        """Let go of the account."""
        self._saver = None
        await self._account.close()


class CosmosMemoryStore:
    """Opens the store once and hands it out."""

    def __init__(self, account: CosmosAccount, container: str) -> None:
        self._account = account
        self._name = container
        self._opening = asyncio.Lock()
        self._store: BaseStore | None = None

    async def open(self) -> BaseStore:
        """The open store. Raises StoreUnavailable."""
        async with self._opening:
            if self._store is None:
                library = await _library()
                container = await self._account.container(self._name)
                client = await self._account.client()
                store: BaseStore = library.MemoryStore(
                    client, database=self._account.settings.database, container=container
                )
                self._store = store
            return self._store

    async def close(self) -> None:
        """Let go of the account."""
        self._store = None
        await self._account.close()


async def _library() -> Any:
    return await asyncio.to_thread(import_module, "shared.storage.cosmos_saver")


def build_checkpoints(parts: Parts) -> CosmosCheckpoints:
    """Make it; nothing is opened yet. Raises SettingError."""
    account = account_of(parts)
    return CosmosCheckpoints(account, account.settings.checkpoints)


def build_memory(parts: Parts) -> CosmosMemoryStore:
    """Make it; nothing is opened yet. Raises SettingError."""
    account = account_of(parts)
    return CosmosMemoryStore(account, account.settings.memory)

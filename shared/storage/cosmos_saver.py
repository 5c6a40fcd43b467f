"""LangGraph's saver and store for Cosmos DB, with its errors as ours. Slow to import: `cosmos_agent` does so in a thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import CosmosResourceNotFoundError
from langchain_azure_cosmosdb import AsyncCosmosDBStore, CosmosDBSaver
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.store.base import Op, Result

from shared.storage.cosmos_account import answering

_CHECKPOINTS, _WRITES, _SEPARATOR = "checkpoint", "writes", "$"
"""What the library makes its partition keys of (langchain-azure-cosmosdb 1.0): kind, thread, namespace, checkpoint."""


class Saver(CosmosDBSaver):
    """The library's saver on a container with the partition key /partition_key. Raises StoreUnavailable."""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """One checkpoint with its pending writes."""
        async with answering("a checkpoint"):
            return await super().aget_tuple(config)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint."""
        async with answering("a checkpoint"):
            return await super().aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep what a task wrote after a checkpoint."""
        async with answering("a checkpoint's writes"):
            await super().aput_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """Remove a thread: the library cannot. What tasks wrote goes first, so that a thread half gone is found again."""
        async with answering("a removal of checkpoints"):
            kept = _SEPARATOR.join((_CHECKPOINTS, thread_id, "", ""))
            for checkpoint in await self._ids(kept):
                written = _SEPARATOR.join((_WRITES, thread_id, "", checkpoint.rpartition(_SEPARATOR)[2], ""))
                for write in await self._ids(written):
                    await self._remove(write, written)
                await self._remove(checkpoint, kept)

    async def _ids(self, partition: str) -> Sequence[str]:
        where = "SELECT c.id FROM c WHERE c.partition_key = @partition"
        found: Any = await self._query_items(where, [{"name": "@partition", "value": partition}], partition)
        return [one["id"] for one in found]

    async def _remove(self, id: str, partition: str) -> None:
        with suppress(CosmosResourceNotFoundError):  # somebody else was faster
            await self.container.delete_item(id, partition_key=partition)


class MemoryStore(AsyncCosmosDBStore):
    """The library's store on a container with the partition key /prefix. Its `setup`, which would make one, is not called."""

    def __init__(self, client: CosmosClient, *, database: str, container: ContainerProxy) -> None:
        super().__init__(client, database_name=database, container_name=container.id)
        self._container = container

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do the operations: every other method ends up here. Raises StoreUnavailable."""
        async with answering("long-term memory"):
            return await super().abatch(ops)

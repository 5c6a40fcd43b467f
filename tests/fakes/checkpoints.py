"""Checkpoints in memory: the library's own saver, which serialises as the one on the disk does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver


class MemoryCheckpoints:
    """The Checkpoints port. `flushed` counts what was written, `discarded` has the threads that were removed."""

    def __init__(self) -> None:
        self.saver = InMemorySaver()
        self.opened = 0
        self.discarded: list[str] = []

    @property
    def threads(self) -> list[str]:
        """What is there."""
        return [name for name, kept in self.saver.storage.items() if kept]

    async def open(self) -> BaseCheckpointSaver[Any]:
        self.opened += 1
        return self.saver

    async def discard(self, *, threads: Sequence[str]) -> None:
        self.discarded += threads
        for thread in threads:
            await self.saver.adelete_thread(thread)

    async def close(self) -> None:
        pass

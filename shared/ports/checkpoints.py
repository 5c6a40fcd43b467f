"""Where the agent keeps what it goes on from and what it remembers: stores of LangGraph's interfaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.store.base import BaseStore


class Checkpoints(Protocol):
    """What a run's state is kept in between segments: a saver of LangGraph's interface."""

    async def open(self) -> BaseCheckpointSaver[Any]:
        """The open saver, opened on the first call. Raises StoreUnavailable, or SettingError."""

    async def discard(self, *, threads: Sequence[str]) -> None:
        """Remove threads that nobody will go on from. Best effort."""

    async def close(self) -> None:
        """Let go of connections and files."""


class MemoryStore(Protocol):
    """What long-term memory is kept in: a store of LangGraph's interface."""

    async def open(self) -> BaseStore:
        """The open store, opened on the first call. Raises StoreUnavailable, or SettingError."""

    async def close(self) -> None:
        """Let go of connections and files."""

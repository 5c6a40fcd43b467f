"""Files: bodies too large for a queue, media, long tool results."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file's description. `id` cannot be guessed and says nothing of its content."""

    id: str
    name: str
    media_type: str
    size: int
    owner: str
    """The conversation that may read it."""


class Files(Protocol):
    """Bodies too large for a queue, media, long tool results."""

    async def put(
        self, *, owner: str, name: str, media_type: str, content: bytes | AsyncIterator[bytes], keep: timedelta
    ) -> StoredFile:
        """Store a file until `keep` is over. Raises TooLarge past the limit of the settings."""

    async def describe(self, *, id: str) -> StoredFile | None:
        """What is known of a file; None when it is gone."""

    async def get(self, *, id: str) -> bytes | None:
        """The content; None when it is gone."""

    async def close(self) -> None:
        """Let go of connections."""

"""The store: what Cosmos DB can do and nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from shared.steps import Step

Json = dict[str, Any]
"""A JSON object. Its values are whatever its owner's pydantic model says."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A hierarchical partition key: the tenant first, then a conversation, a user or a pointer."""

    tenant: str
    key: str


@dataclass(frozen=True, slots=True)
class Document:
    """A stored JSON document. `body` holds the reserved fields too; `etag` changes with every write.

    Reserved fields of a body, all optional: `kind` (str) and `n` (int) for queries, `state` (str), `wake_at` (aware
    UTC, ISO 8601) with `ring` (str) when somebody must still act, `ttl` (seconds from the last write) when finished.
    """

    partition: Partition
    id: str
    body: Json
    etag: str


@dataclass(frozen=True, slots=True)
class Create:
    """Fails with Conflict(exists=True) where the id is taken."""

    id: str
    body: Json


@dataclass(frozen=True, slots=True)
class Replace:
    """Fails with Conflict where the document is gone or its etag differs."""

    id: str
    body: Json
    etag: str


@dataclass(frozen=True, slots=True)
class Put:
    """Unconditional: only for what is not truth, such as progress."""

    id: str
    body: Json


@dataclass(frozen=True, slots=True)
class Delete:
    """Fails with Conflict where the document is gone or its etag differs."""

    id: str
    etag: str


Operation = Create | Replace | Put | Delete

BATCH_OPERATIONS = 100
"""Cosmos DB: the most operations in one transactional batch."""
BATCH_BYTES = 2 * 1024 * 1024
"""Cosmos DB: the largest transactional batch, and the largest document."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a cross-partition query, and what to pass to get the next (empty: there is none)."""

    documents: tuple[Document, ...]
    continuation: str = ""


class Store(Protocol):
    """A document store with what Cosmos DB can do and nothing more.

    Every method raises StoreUnavailable when the service does not answer.
    """

    lag: float
    """How late a read may show what another client wrote, in seconds. Own writes are seen at once, and no conditional
    write is ever decided on anything but the newest version.
    """

    async def read(self, *, partition: Partition, id: str) -> Document | None:
        """Point-read one document."""

    async def query(
        self,
        *,
        partition: Partition,
        kind: str,
        states: Sequence[str] = (),
        after: int | None = None,
        before: int | None = None,
        descending: bool = False,
        limit: int = 100,
    ) -> Sequence[Document]:
        """Documents of a kind inside one partition, by their `n`; `after` and `before` exclude their own value."""

    async def batch(self, *, step: Step, partition: Partition, operations: Sequence[Operation]) -> Sequence[str]:
        """Do all operations in one transaction, or none; return the new etags in order (empty for a delete).

        Raises Conflict with the index of the first operation that failed, and TooLarge past Cosmos DB's limits.
        """

    async def due(self, *, now: datetime, rings: Sequence[str] = (), limit: int = 100, continuation: str = "") -> Page:
        """Across partitions: documents whose `wake_at` is not later than `now`, the earliest first."""

    async def dead_letters(self, *, tenant: str, limit: int = 100, continuation: str = "") -> Page:
        """Across partitions: open documents of kind `dead_letter`, the newest first."""

    async def close(self) -> None:
        """Let go of connections and files."""

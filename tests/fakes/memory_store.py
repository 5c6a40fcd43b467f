"""The store in memory: what the port promises, a hundred times as fast, with somebody who looks at every commit."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic_core import from_json, to_json

from shared.messages import Conflict, TooLarge
from shared.ports import (
    BATCH_BYTES,
    BATCH_OPERATIONS,
    Create,
    Delete,
    Document,
    Json,
    Operation,
    Page,
    Partition,
    Put,
    Replace,
)
from shared.steps import Step


@dataclass(frozen=True, slots=True)
class Kept:
    """A document as it lies there. `body` is for looking at, `text` is what readers get."""

    body: Json
    text: bytes
    etag: int
    expires: float | None


Documents = Mapping[str, Kept]


def _nobody(who: str, step: Step, partition: Partition, before: Documents, after: Documents) -> None:
    """Looks at a commit: who made it, and the partition before and after. Only what was written differs."""


@dataclass
class Shelves:
    """What all clients of one store share."""

    now: Callable[[], float] = field(default=lambda: time.time())
    look: Callable[[str, Step, Partition, Documents, Documents], None] = _nobody
    partitions: dict[Partition, dict[str, Kept]] = field(default_factory=dict)
    etags: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def live(self, partition: Partition) -> dict[str, Kept]:
        """What is in a partition and has not expired."""
        now, kept = self.now(), self.partitions.get(partition, {})
        return {id: one for id, one in kept.items() if one.expires is None or one.expires > now}

    def read(self, *, partition: Partition, id: str) -> Document | None:
        """Point-read one document."""
        found = self.partitions.get(partition, {}).get(id)
        if found is None or (found.expires is not None and found.expires <= self.now()):
            return None
        return _document(partition, id, found)

    def query(
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
        """Documents of a kind inside one partition, by their `n`."""
        found = [
            (one.body["n"], id, one)
            for id, one in self.live(partition).items()
            if one.body.get("kind") == kind
            and (not states or one.body.get("state") in states)
            and (after is None or one.body["n"] > after)
            and (before is None or one.body["n"] < before)
        ]
        found.sort(key=lambda row: row[0], reverse=descending)
        return [_document(partition, id, one) for _, id, one in found[:limit]]

    def batch(
        self, *, step: Step, partition: Partition, operations: Sequence[Operation], who: str = ""
    ) -> Sequence[str]:
        """Do all operations in one transaction, or none."""
        if not 0 < len(operations) <= BATCH_OPERATIONS:
            raise TooLarge(f"{step}: a transaction has 1 to {BATCH_OPERATIONS} operations, not {len(operations)}")
        texts = [b"" if isinstance(one, Delete) else to_json(one.body) for one in operations]
        if sum(map(len, texts)) > BATCH_BYTES:
            raise TooLarge(f"{step}: a transaction holds at most {BATCH_BYTES} bytes")
        before = self.live(partition)
        after = dict(before)
        written = [
            self._apply(after, one, text, n) for n, (one, text) in enumerate(zip(operations, texts, strict=True))
        ]
        self.partitions[partition] = after
        self.look(who, step, partition, before, after)
        return written

    def _apply(self, after: dict[str, Kept], operation: Operation, text: bytes, index: int) -> str:
        found = after.get(operation.id)
        match operation:
            case Create() if found is not None:
                raise Conflict(f"{operation.id!r} exists", index=index, exists=True)
            case Replace(etag=etag) | Delete(etag=etag) if found is None or str(found.etag) != etag:
                raise Conflict(f"{operation.id!r} was changed or is gone", index=index)
            case Delete():
                del after[operation.id]
                return ""
            case Create() | Replace() | Put():
                body: Json = from_json(text)
                ttl = body.get("ttl")
                kept = Kept(body, text, next(self.etags), self.now() + ttl if ttl else None)
                after[operation.id] = kept
                return str(kept.etag)

    def due(self, *, now: datetime, rings: Sequence[str] = (), limit: int = 100, continuation: str = "") -> Page:
        """Across partitions: documents whose `wake_at` is not later than `now`, the earliest first."""
        found = []
        for partition in self.partitions:
            for id, one in self.live(partition).items():
                at = one.body.get("wake_at")
                if at and (not rings or one.body.get("ring") in rings) and datetime.fromisoformat(at) <= now:
                    found.append((datetime.fromisoformat(at), partition.key, id, partition, one))
        found.sort(key=lambda row: row[:3])
        return _page([_document(row[3], row[2], row[4]) for row in found], limit, continuation)

    def dead_letters(self, *, tenant: str, limit: int = 100, continuation: str = "") -> Page:
        """Across partitions: open dead letters, the newest first."""
        found = [
            (one.body["n"], _document(partition, id, one))
            for partition in self.partitions
            if partition.tenant == tenant
            for id, one in self.live(partition).items()
            if one.body.get("kind") == "dead_letter" and one.body.get("state") == "open"
        ]
        found.sort(key=lambda row: row[0], reverse=True)
        return _page([document for _, document in found], limit, continuation)


class MemoryStore:
    """One client: the Store port on shared shelves."""

    lag = 0.0

    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves

    async def read(self, *, partition: Partition, id: str) -> Document | None:
        return self._shelves.read(partition=partition, id=id)

    async def query(self, *, partition: Partition, kind: str, **conditions: object) -> Sequence[Document]:
        return self._shelves.query(partition=partition, kind=kind, **conditions)  # type: ignore[arg-type]  # passed on

    async def batch(self, *, step: Step, partition: Partition, operations: Sequence[Operation]) -> Sequence[str]:
        return self._shelves.batch(step=step, partition=partition, operations=operations)

    async def due(self, *, now: datetime, rings: Sequence[str] = (), limit: int = 100, continuation: str = "") -> Page:
        return self._shelves.due(now=now, rings=rings, limit=limit, continuation=continuation)

    async def dead_letters(self, *, tenant: str, limit: int = 100, continuation: str = "") -> Page:
        return self._shelves.dead_letters(tenant=tenant, limit=limit, continuation=continuation)

    async def close(self) -> None:
        """Nothing is open."""


def _document(partition: Partition, id: str, kept: Kept) -> Document:
    return Document(partition=partition, id=id, body=from_json(kept.text), etag=str(kept.etag))


def _page(documents: Sequence[Document], limit: int, continuation: str) -> Page:
    skip = int(continuation or 0)
    more = str(skip + limit) if len(documents) > skip + limit else ""
    return Page(documents=tuple(documents[skip : skip + limit]), continuation=more)

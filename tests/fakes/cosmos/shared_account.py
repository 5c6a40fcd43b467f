"""The Store port on an account that other tests use too, or used before: each test has tenants of its own there."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from shared.ports import Delete, Document, Operation, Page, Partition, Store
from shared.steps import Step

KEPT_SECONDS = 3600
"""What a test left goes by itself."""
PAGE = 100


class Apart:
    """A test's own part of an account. Several stores may share it: they are clients of the same data."""

    def __init__(self) -> None:
        self._suffix = "~" + secrets.token_hex(6)

    def within(self, partition: Partition) -> Partition:
        return replace(partition, tenant=partition.tenant + self._suffix)

    def without(self, document: Document) -> Document:
        tenant = document.partition.tenant.removesuffix(self._suffix)
        body = {name: value for name, value in document.body.items() if (name, value) != ("ttl", KEPT_SECONDS)}
        return replace(document, partition=replace(document.partition, tenant=tenant), body=body)

    def ours(self, document: Document) -> bool:
        return document.partition.tenant.endswith(self._suffix)


class StoreApart:
    """Implements the Store port over another one."""

    def __init__(self, store: Store, apart: Apart) -> None:
        self.lag = store.lag
        self._store = store
        self._apart = apart

    async def read(self, *, partition: Partition, id: str) -> Document | None:
        found = await self._store.read(partition=self._apart.within(partition), id=id)
        return self._apart.without(found) if found else None

    async def query(self, *, partition: Partition, kind: str, **conditions: object) -> Sequence[Document]:
        found = await self._store.query(partition=self._apart.within(partition), kind=kind, **conditions)  # type: ignore[arg-type]  # passed on
        return [self._apart.without(one) for one in found]

    async def batch(self, *, step: Step, partition: Partition, operations: Sequence[Operation]) -> Sequence[str]:
        kept = [
            one if isinstance(one, Delete) else replace(one, body={"ttl": KEPT_SECONDS, **one.body})
            for one in operations
        ]
        return await self._store.batch(step=step, partition=self._apart.within(partition), operations=kept)

    async def due(self, *, now: datetime, rings: Sequence[str] = (), limit: int = 100, continuation: str = "") -> Page:
        found: list[Document] = []
        there = ""
        while True:
            page = await self._store.due(now=now, rings=rings, limit=PAGE, continuation=there)
            found += [self._apart.without(one) for one in page.documents if self._apart.ours(one)]
            if not (there := page.continuation):
                break
        skip = int(continuation or 0)
        more = str(skip + limit) if len(found) > skip + limit else ""
        return Page(tuple(found[skip : skip + limit]), more)

    async def dead_letters(self, *, tenant: str, limit: int = 100, continuation: str = "") -> Page:
        within = self._apart.within(Partition(tenant, "")).tenant
        page = await self._store.dead_letters(tenant=within, limit=limit, continuation=continuation)
        return Page(tuple(map(self._apart.without, page.documents)), page.continuation)

    async def close(self) -> None:
        await self._store.close()

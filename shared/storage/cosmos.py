"""The store on Cosmos DB for NoSQL: point reads, queries in one partition, transactional batches, etags, TTL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import repeat
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from shared.messages import Conflict, StoreUnavailable, TooLarge
from shared.ports import BATCH_BYTES, BATCH_OPERATIONS, Delete, Document, Operation, Page, Partition, Parts
from shared.steps import Step
from shared.storage import cosmos_items as items
from shared.storage.cosmos_account import CosmosAccount, account_of, answering, translated
from shared.storage.cosmos_views import Views

if TYPE_CHECKING:
    from azure.cosmos.aio import ContainerProxy
    from azure.cosmos.exceptions import CosmosBatchOperationError

BUSY = frozenset((429, 449))
"""What one operation of a batch may answer where the service asks to come again; nothing of the batch was done."""
TRIES = 4
LOOKS = 20
"""How often a read that shows what is known to be out of date is done once more, within twice the lag."""
FIRST_PAUSE_SECONDS = 0.05


def build(parts: Parts) -> CosmosStore:
    """The store in the account of the settings. Raises SettingError."""
    account = account_of(parts)
    return CosmosStore(account, account.settings.documents)


class CosmosStore:
    """The Store port on a container with the partition key [/tenantId, /partitionKey] and TTL on, without a default."""

    def __init__(self, account: CosmosAccount, container: str) -> None:
        self.lag = account.settings.lag
        self._account = account
        self._name = container
        self._views = Views()
        self._opened: ContainerProxy | None = None

    async def read(self, *, partition: Partition, id: str) -> Document | None:
        """Point-read one document."""
        found = await self._read(partition, id)
        for pause in self._pauses():
            if not self._views.outdated(partition, id, found):
                break
            await asyncio.sleep(pause)
            found = await self._read(partition, id)
        return found

    async def _read(self, partition: Partition, id: str) -> Document | None:
        from azure.cosmos.exceptions import CosmosResourceNotFoundError

        container = await self._container()
        async with answering(f"a read of {self._name}"):
            try:
                found = await container.read_item(id, partition_key=_key(partition))
            except CosmosResourceNotFoundError as error:
                if error.sub_status:
                    raise
                return None
        return items.document(found)

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
        """Documents of a kind inside one partition, by their `n`."""
        query = items.of_kind(
            partition, kind, states=states, after=after, before=before, descending=descending, limit=limit
        )
        found = await self._select(query, partition=partition)
        for pause in self._pauses():
            if not self._views.any_outdated(found):
                break
            await asyncio.sleep(pause)
            found = await self._select(query, partition=partition)
        return found

    async def batch(self, *, step: Step, partition: Partition, operations: Sequence[Operation]) -> Sequence[str]:
        """Do all operations in one transaction, or none."""
        _check_size(step, operations)
        container = await self._container()
        for attempt in range(1, TRIES + 1):
            try:
                return await self._try(container, step, partition, operations)
            except _Busy as busy:
                if attempt == TRIES:
                    raise StoreUnavailable(f"{step}: Cosmos DB asked {TRIES} times to come again") from busy
                await asyncio.sleep(busy.seconds or FIRST_PAUSE_SECONDS * 2**attempt)
        raise AssertionError("the loop ends in a return or an error")

    async def due(self, *, now: datetime, rings: Sequence[str] = (), limit: int = 100, continuation: str = "") -> Page:
        """Across partitions: documents whose `wake_at` is not later than `now`, the earliest first."""
        skip = int(continuation or 0)
        found = await self._select(items.due(now=now, rings=rings, skip=skip, limit=limit + 1))
        return _page(found, skip, limit)

    async def dead_letters(self, *, tenant: str, limit: int = 100, continuation: str = "") -> Page:
        """Across partitions: open dead letters, the newest first."""
        skip = int(continuation or 0)
        found = await self._select(items.open_dead_letters(tenant=tenant, skip=skip, limit=limit + 1))
        return _page(found, skip, limit)

    async def close(self) -> None:
        """Let go of the account."""
        await self._account.close()

    def _pauses(self) -> Iterator[float]:
        """Twice the lag in all."""
        return repeat(self.lag * 2 / LOOKS, LOOKS)

    async def _container(self) -> ContainerProxy:
        if self._opened is None:
            self._opened = await self._account.container(self._name)
        return self._opened

    async def _select(self, query: items.Query, *, partition: Partition | None = None) -> list[Document]:
        container = await self._container()
        statement, parameters = query
        where: dict[str, Any] = {"partition_key": _key(partition)} if partition else {}
        async with answering(f"a query of {self._name}"):
            found = container.query_items(statement, parameters=parameters, **where)
            return [items.document(one) async for one in found]

    async def _try(
        self, container: ContainerProxy, step: Step, partition: Partition, operations: Sequence[Operation]
    ) -> list[str]:
        from azure.cosmos.exceptions import CosmosBatchOperationError

        async with answering(f"{step} in {self._name}"):
            try:
                # Anew for every try: the library takes the etags out of what it is given.
                done = await container.execute_item_batch(items.operations(partition, operations), _key(partition))
            except CosmosBatchOperationError as error:
                refused = _refused(error, step, operations)
                if isinstance(refused, Conflict):
                    self._views.refused(partition, operations[refused.index])
                raise refused from error
        return ["" if isinstance(one, Delete) else _etag(answer) for one, answer in zip(operations, done, strict=True)]


class _Busy(Exception):
    """The service asks to come again after so many seconds; 0: it did not say."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


def _refused(error: CosmosBatchOperationError, step: Step, operations: Sequence[Operation]) -> Exception:
    """Why one operation made the whole transaction fail."""
    status, index = int(error.status_code or 0), int(error.error_index or 0)
    name = operations[index].id
    if status == 409:
        return Conflict(f"{name!r} exists", index=index, exists=True)
    if status in (404, 412):
        return Conflict(f"{name!r} was changed or is gone", index=index)
    if status in BUSY:
        return _Busy(float((error.headers or {}).get("x-ms-retry-after-ms", 0)) / 1000)
    return translated(error, f"{step} of {name!r}")


def _etag(answer: Mapping[str, Any]) -> str:
    """Of an item that a transaction wrote. Cosmium tells it with the item only."""
    return str(answer.get("eTag") or answer["resourceBody"]["_etag"])


def _check_size(step: Step, operations: Sequence[Operation]) -> None:
    if not 0 < len(operations) <= BATCH_OPERATIONS:
        raise TooLarge(f"{step}: a transaction has 1 to {BATCH_OPERATIONS} operations, not {len(operations)}")
    size = sum(len(to_json(one.body)) for one in operations if not isinstance(one, Delete))
    if size > BATCH_BYTES:
        raise TooLarge(f"{step}: a transaction holds at most {BATCH_BYTES} bytes, not {size}")


def _key(partition: Partition) -> list[str | int | float | bool | None]:
    return [partition.tenant, partition.key]


def _page(found: Sequence[Document], skip: int, limit: int) -> Page:
    more = str(skip + limit) if len(found) > limit else ""
    return Page(documents=tuple(found[:limit]), continuation=more)

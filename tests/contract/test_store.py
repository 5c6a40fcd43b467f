"""The Store's contract, over every implementation: what Cosmos DB can do, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from shared.messages import Conflict, StoreUnavailable, TooLarge
from shared.ports import BATCH_BYTES, BATCH_OPERATIONS, Create, Delete, Partition, Put, Replace, Store
from shared.settings import Sync
from shared.sqlite import SqliteFile
from shared.steps import Step
from shared.storage.sqlite import SCHEMA, VERSION, SqliteStore
from tests.fakes import cosmos
from tests.fakes.clock import START
from tests.fakes.cosmos import cosmium, vercel
from tests.fakes.cosmos.shared_account import Apart, StoreApart
from tests.fakes.memory_store import MemoryStore, Shelves

HERE = Partition("main", "here")
ELSEWHERE = Partition("main", "elsewhere")
STEP = Step.ARRIVE
EXPIRY_SECONDS = 4.0
"""A server counts whole seconds: a TTL of one may last two."""


Open = Callable[[], Store]


@asynccontextmanager
async def sqlite(path: Path) -> AsyncIterator[Open]:
    def opened() -> Store:
        file = SqliteFile(path / "store.db", schema=SCHEMA, version=VERSION, sync=Sync.NORMAL, busy=StoreUnavailable)
        return SqliteStore(file)

    yield opened


@asynccontextmanager
async def memory(path: Path) -> AsyncIterator[Open]:
    shelves = Shelves()
    yield lambda: MemoryStore(shelves)


@asynccontextmanager
async def cosmos_front(path: Path) -> AsyncIterator[Open]:
    """The real SDK against our own front."""
    async with cosmos.running(path) as front:
        yield lambda: cosmos.store(front.url)


@asynccontextmanager
async def cosmos_cosmium(path: Path) -> AsyncIterator[Open]:
    """The real SDK against a server that others wrote, which lacks a part."""
    async with cosmium.running() as url:
        yield lambda: cosmos.store(url)


@asynccontextmanager
async def cosmos_vercel(path: Path) -> AsyncIterator[Open]:
    """The same against another one, which lacks another part."""
    async with vercel.running() as url:
        yield lambda: cosmos.store(url)


@asynccontextmanager
async def cosmos_service(path: Path) -> AsyncIterator[Open]:
    """The real SDK against the account of COSMOS_ENDPOINT: the service, or any emulator."""
    service, apart = cosmos.service(), Apart()
    yield lambda: StoreApart(cosmos.store(service.url, key=service.key), apart)


LACKS: Mapping[object, Mapping[str, str]] = {cosmos_cosmium: cosmium.LACKS, cosmos_vercel: vercel.LACKS}


@pytest.fixture(params=[sqlite, memory, cosmos_front, cosmos_cosmium, cosmos_vercel, cosmos_service])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the store; a second call is a second client of the same data."""
    implementation: Callable[[Path], AbstractAsyncContextManager[Open]] = request.param
    if lack := LACKS.get(implementation, {}).get(request.node.originalname):
        request.applymarker(pytest.mark.xfail(reason=f"that server {lack}", strict=True))
    async with implementation(tmp_path) as open_one:
        yield open_one


@pytest.fixture
async def store(opened: Open) -> AsyncIterator[Store]:
    found = opened()
    yield found
    await found.close()


async def test_what_is_created_is_read(store: Store) -> None:
    [etag] = await store.batch(step=STEP, partition=HERE, operations=[Create("a", {"kind": "x", "text": "ä\u0000🙂"})])
    document = await store.read(partition=HERE, id="a")
    assert document is not None
    assert (document.id, document.partition, document.etag) == ("a", HERE, etag)
    assert document.body == {"kind": "x", "text": "ä\u0000🙂"}


async def test_partitions_are_apart(store: Store) -> None:
    await store.batch(step=STEP, partition=HERE, operations=[Create("a", {})])
    assert await store.read(partition=ELSEWHERE, id="a") is None
    assert await store.read(partition=Partition("other", "here"), id="a") is None
    await store.batch(step=STEP, partition=ELSEWHERE, operations=[Create("a", {})])


async def test_create_fails_where_the_id_is_taken(store: Store) -> None:
    await store.batch(step=STEP, partition=HERE, operations=[Create("a", {"v": 1})])
    with pytest.raises(Conflict) as caught:
        await store.batch(step=STEP, partition=HERE, operations=[Create("b", {}), Create("a", {"v": 2})])
    assert (caught.value.index, caught.value.exists) == (1, True)
    document = await store.read(partition=HERE, id="a")
    assert document is not None
    assert document.body == {"v": 1}
    assert await store.read(partition=HERE, id="b") is None, "a transaction is all or nothing"


async def test_replace_needs_the_etag(store: Store) -> None:
    [first] = await store.batch(step=STEP, partition=HERE, operations=[Create("a", {"v": 1})])
    [second] = await store.batch(step=STEP, partition=HERE, operations=[Replace("a", {"v": 2}, first)])
    assert second != first
    with pytest.raises(Conflict) as caught:
        await store.batch(step=STEP, partition=HERE, operations=[Replace("a", {"v": 3}, first)])
    assert not caught.value.exists
    with pytest.raises(Conflict):
        await store.batch(step=STEP, partition=HERE, operations=[Replace("gone", {}, first)])


async def test_delete_needs_the_etag_and_an_id_can_come_back_with_another(store: Store) -> None:
    [first] = await store.batch(step=STEP, partition=HERE, operations=[Create("a", {})])
    [second] = await store.batch(step=STEP, partition=HERE, operations=[Replace("a", {"v": 2}, first)])
    with pytest.raises(Conflict):
        await store.batch(step=STEP, partition=HERE, operations=[Delete("a", first)])
    await store.batch(step=STEP, partition=HERE, operations=[Delete("a", second)])
    assert await store.read(partition=HERE, id="a") is None
    [again] = await store.batch(step=STEP, partition=HERE, operations=[Create("a", {})])
    assert again not in (first, second)


async def test_put_overwrites(store: Store) -> None:
    await store.batch(step=STEP, partition=HERE, operations=[Put("a", {"v": 1})])
    await store.batch(step=STEP, partition=HERE, operations=[Put("a", {"v": 2})])
    document = await store.read(partition=HERE, id="a")
    assert document is not None
    assert document.body == {"v": 2}


async def test_one_of_many_racing_writers_wins(opened: Open) -> None:
    one, two = opened(), opened()
    [etag] = await one.batch(step=STEP, partition=HERE, operations=[Create("a", {"v": 0})])

    async def race(store: Store, value: int) -> bool:
        try:
            await store.batch(step=STEP, partition=HERE, operations=[Replace("a", {"v": value}, etag)])
        except Conflict:
            return False
        return True

    won = await asyncio.gather(*(race(store, n) for n in range(20) for store in (one, two)))
    assert won.count(True) == 1
    await one.close()
    await two.close()


async def test_a_second_client_reads_what_the_first_committed(opened: Open) -> None:
    one, two = opened(), opened()
    await one.batch(step=STEP, partition=HERE, operations=[Create("a", {"v": 1})])
    assert await two.read(partition=HERE, id="a") is not None
    await one.close()
    await two.close()


async def test_transactions_have_cosmos_limits(store: Store) -> None:
    await store.batch(step=STEP, partition=HERE, operations=[Create(f"d{n}", {}) for n in range(BATCH_OPERATIONS)])
    with pytest.raises(TooLarge):
        await store.batch(
            step=STEP, partition=HERE, operations=[Create(f"e{n}", {}) for n in range(BATCH_OPERATIONS + 1)]
        )
    with pytest.raises(TooLarge):
        await store.batch(step=STEP, partition=HERE, operations=[Create("big", {"v": "x" * BATCH_BYTES})])
    with pytest.raises(TooLarge):
        await store.batch(step=STEP, partition=HERE, operations=[])


async def test_a_replaced_document_is_found_by_its_new_kind_and_number(store: Store) -> None:
    [etag] = await store.batch(step=STEP, partition=HERE, operations=[Create("a", {"kind": "x", "n": 1})])
    await store.batch(step=STEP, partition=HERE, operations=[Replace("a", {"kind": "y", "n": 2}, etag)])
    assert await store.query(partition=HERE, kind="x") == []
    assert [document.id for document in await store.query(partition=HERE, kind="y", after=1)] == ["a"]


async def test_query_by_number_and_state(store: Store) -> None:
    operations = [Create(f"e{n}", {"kind": "entry", "n": n, "state": "odd" if n % 2 else "even"}) for n in range(1, 10)]
    await store.batch(step=STEP, partition=HERE, operations=[*operations, Create("m1", {"kind": "message", "n": 1})])

    async def numbers(**conditions: object) -> list[int]:
        found = await store.query(partition=HERE, kind="entry", **conditions)  # type: ignore[arg-type]  # the test's own words
        return [document.body["n"] for document in found]

    assert await numbers() == list(range(1, 10))
    assert await numbers(after=3, before=7) == [4, 5, 6]
    assert await numbers(states=["odd"], limit=2) == [1, 3]
    assert await numbers(descending=True, limit=3) == [9, 8, 7]
    assert await store.query(partition=ELSEWHERE, kind="entry") == []


async def test_due_across_partitions_the_earliest_first(store: Store) -> None:
    def body(seconds: int, ring: str) -> dict[str, str]:
        return {"wake_at": (START + timedelta(seconds=seconds)).isoformat(), "ring": ring}

    await store.batch(step=STEP, partition=HERE, operations=[Create("late", body(5, "turns")), Create("none", {})])
    await store.batch(step=STEP, partition=ELSEWHERE, operations=[Create("early", body(1, "turns"))])
    await store.batch(step=STEP, partition=ELSEWHERE, operations=[Create("other", body(2, "outbound"))])
    page = await store.due(now=START + timedelta(seconds=5))
    assert [document.id for document in page.documents] == ["early", "other", "late"]
    page = await store.due(now=START + timedelta(seconds=4), rings=["turns"])
    assert [document.id for document in page.documents] == ["early"]


async def test_due_comes_in_pages(store: Store) -> None:
    when = START.isoformat()
    operations = [Create(f"d{n:02}", {"wake_at": when, "ring": "turns"}) for n in range(25)]
    await store.batch(step=STEP, partition=HERE, operations=operations)
    found: list[str] = []
    continuation = ""
    while True:
        page = await store.due(now=START, limit=10, continuation=continuation)
        assert len(page.documents) <= 10
        found += [document.id for document in page.documents]
        continuation = page.continuation
        if not continuation:
            break
    assert sorted(found) == [f"d{n:02}" for n in range(25)]


async def test_open_dead_letters_the_newest_first(store: Store) -> None:
    def letter(n: int, state: str) -> dict[str, object]:
        return {"kind": "dead_letter", "n": n, "state": state}

    await store.batch(
        step=STEP, partition=HERE, operations=[Create("d1", letter(1, "open")), Create("d2", letter(2, "discarded"))]
    )
    await store.batch(step=STEP, partition=ELSEWHERE, operations=[Create("d3", letter(3, "open"))])
    page = await store.dead_letters(tenant="main")
    assert [document.id for document in page.documents] == ["d3", "d1"]
    assert not (await store.dead_letters(tenant="other")).documents


async def test_what_has_expired_is_gone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    await store.batch(
        step=STEP, partition=HERE, operations=[Create("short", {"kind": "x", "n": 1, "ttl": 1}), Create("long", {})]
    )
    # Ours go by this process's clock; a server's own cannot be moved, only waited for.
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2)
    async with asyncio.timeout(EXPIRY_SECONDS):
        while await store.read(partition=HERE, id="short"):
            await asyncio.sleep(0.05)
    assert await store.query(partition=HERE, kind="x") == []
    await store.batch(step=STEP, partition=HERE, operations=[Create("short", {"kind": "x", "n": 2})])
    assert await store.read(partition=HERE, id="long") is not None

"""Long-term memory, over the library's store in memory, the one in a file and the one in Cosmos DB."""

import asyncio
import stat
from contextlib import asynccontextmanager

import pytest
from langgraph.store.memory import InMemoryStore

from shared.agent.memory import LongTermMemory
from shared.messages import SettingError
from shared.settings import Sync
from shared.storage.memory_store import SqliteMemoryStore
from tests.fakes import cosmos
from tests.fakes.clock import ManualClock
from tests.fakes.cosmos import cosmium


@asynccontextmanager
async def in_cosmos(url):
    made = cosmos.memory(url)
    yield made.open
    await made.close()


@pytest.fixture(params=["memory", "sqlite", "cosmos", "cosmium"])
async def opened(request, tmp_path):
    if request.param == "memory":
        store = InMemoryStore()

        async def give():
            return store

        yield give
    elif request.param == "cosmos":
        async with cosmos.running(tmp_path) as front, in_cosmos(front.url) as give:
            yield give
    elif request.param == "cosmium":
        async with cosmium.running() as url, in_cosmos(url) as give:
            yield give
    else:
        file = SqliteMemoryStore(path=tmp_path / "new" / "memory.db", sync=Sync.NORMAL)
        yield file.open
        await file.close()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def memory(opened, clock):
    return LongTermMemory(store=opened, tenant="main", user="u1", clock=clock)


async def told(memory, clock, *memos):
    for key, text in memos:
        clock.pass_(seconds=1)
        await memory.remember(key=key, text=text)


def keys(memos):
    return [memo.key for memo in memos]


async def test_recalls_all_the_newest_first_without_a_query(memory, clock):
    await told(memory, clock, ("a", "one"), ("b", "two"), ("c", "three"))

    assert keys(await memory.recall()) == ["c", "b", "a"]
    assert keys(await memory.recall(limit=2)) == ["c", "b"]


async def test_recalls_by_words_the_rarest_first(memory, clock):
    await told(
        memory, clock,
        ("cat", "My cat is called Tom"), ("dog", "My dog is called Rex"), ("food", "Tom likes fish"), ("car", "It is red"),
    )  # fmt: skip

    assert keys(await memory.recall(query="what are my cats called?")) == ["cat", "dog"]
    assert keys(await memory.recall(query="TOM")) == ["food", "cat"]
    assert keys(await memory.recall(query="weather")) == []
    assert keys(await memory.recall(query="is my the")) == []


async def test_the_same_key_overwrites(memory, clock):
    await told(memory, clock, ("cat", "Tom"), ("cat", "Kim"))

    (memo,) = await memory.recall()
    assert (memo.text, memo.written_at) == ("Kim", clock.now())


async def test_forgets_one_or_everything(memory, clock):
    await told(memory, clock, *((str(n), f"fact {n}") for n in range(120)))

    assert await memory.forget(key="nothing") == 0
    assert await memory.forget(key="7") == 1
    assert await memory.forget(key="7") == 0
    assert await memory.forget() == 119
    assert await memory.recall() == []


async def test_nobody_reads_anybody_elses(opened, memory, clock):
    await told(memory, clock, ("a", "secret"))

    for tenant, user in (
        ("main", "u"),
        ("main", "u1.memory"),
        ("mai", "u1"),
        ("main", "u*"),
        ("main", "u_"),
        ("*", "u1"),
    ):
        other = LongTermMemory(store=opened, tenant=tenant, user=user, clock=clock)
        assert await other.recall(query="secret") == []
        assert await other.forget() == 0
    assert keys(await memory.recall()) == ["a"]


async def test_names_with_full_stops_and_without_are_different_people(opened, clock):
    dotted = LongTermMemory(store=opened, tenant="main", user="a.b", clock=clock)
    escaped = LongTermMemory(store=opened, tenant="main", user="a%2Eb", clock=clock)
    await dotted.remember(key="k", text="mine")

    assert keys(await dotted.recall()) == ["k"]
    assert await escaped.recall() == []


async def test_a_file_keeps_it_across_openings_and_to_its_owner(tmp_path, clock):
    path = tmp_path / "memory.db"
    first = SqliteMemoryStore(path=path, sync=Sync.FULL)
    await LongTermMemory(store=first.open, tenant="t", user="u", clock=clock).remember(key="k", text="kept")
    await first.close()
    second = SqliteMemoryStore(path=path, sync=Sync.NORMAL)
    (memo,) = await LongTermMemory(store=second.open, tenant="t", user="u", clock=clock).recall()
    await second.close()

    assert memo.text == "kept"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_several_may_create_the_file_at_once(tmp_path):
    for _ in range(20):
        stores = [SqliteMemoryStore(path=tmp_path / "memory.db", sync=Sync.NORMAL) for _ in range(4)]
        await asyncio.gather(*(store.open() for store in stores))
        await asyncio.gather(*(store.close() for store in stores))
        left = list(tmp_path.iterdir())
        # SQLite's own two may stay where all close at once.
        assert "memory.db" in {path.name for path in left} <= {"memory.db", "memory.db-wal", "memory.db-shm"}
        for path in left:
            path.unlink()


async def test_two_processes_worth_of_stores_write_side_by_side(tmp_path, clock):
    stores = [SqliteMemoryStore(path=tmp_path / "memory.db", sync=Sync.NORMAL) for _ in range(2)]
    memories = [LongTermMemory(store=store.open, tenant="t", user="u", clock=clock) for store in stores]
    await asyncio.gather(*(memories[n % 2].remember(key=str(n), text="x") for n in range(100)))

    assert len(await memories[0].recall(limit=200)) == 100
    for store in stores:
        await store.close()


async def test_a_file_that_is_no_database_is_one_clear_line(tmp_path):
    (tmp_path / "memory.db").write_bytes(b"not a database, but long enough to look at" * 100)
    store = SqliteMemoryStore(path=tmp_path / "memory.db", sync=Sync.NORMAL)

    with pytest.raises(SettingError, match=r"PRAXOS_HOME: .*memory.db cannot be used"):
        await store.open()
    await store.close()

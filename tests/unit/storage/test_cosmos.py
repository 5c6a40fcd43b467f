"""The adapter of Cosmos DB in trouble: what the service or the network does to it, and what nobody may ask for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web

from shared.messages import Conflict, StoreUnavailable, TooLarge
from shared.ports import Create, Partition, Put, Replace, Store
from shared.steps import Step
from shared.storage import cosmos_account
from tests.fakes import cosmos
from tests.fakes.cosmos.front import Front
from tests.fakes.faulty_proxy import Fault, FaultyProxy

HERE = Partition("main", "here")
STEP = Step.ARRIVE
TROUBLES = [fault for fault in Fault if fault is not Fault.NONE]


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[cosmos.Running]:
    async with cosmos.running(tmp_path) as running:
        yield running


@pytest.fixture
async def proxy(front: cosmos.Running) -> AsyncIterator[FaultyProxy]:
    async with FaultyProxy(front.url).running() as opened:
        yield opened


@pytest.fixture
async def store(proxy: FaultyProxy) -> AsyncIterator[Store]:
    opened = cosmos.store(proxy.url)
    await opened.read(partition=HERE, id="warm")
    proxy.seen.clear()
    yield opened
    await opened.close()


def some(fault: Fault, *, times: int) -> Callable[[web.Request], Fault]:
    """The first requests for documents meet a fault."""
    left = [times]

    def choose(request: web.Request) -> Fault:
        if "/docs" not in request.path or not left[0]:
            return Fault.NONE
        left[0] -= 1
        return fault

    return choose


@pytest.mark.parametrize("fault", TROUBLES)
async def test_a_read_that_meets_trouble_once_is_answered(store: Store, proxy: FaultyProxy, fault: Fault) -> None:
    await store.batch(step=STEP, partition=HERE, operations=[Create("a", {"v": 1})])
    proxy.choose = some(fault, times=1)
    found = await store.read(partition=HERE, id="a")
    assert found
    assert found.body == {"v": 1}


async def test_throttling_is_waited_for_as_long_as_the_service_says_and_not_for_ever(
    store: Store, proxy: FaultyProxy
) -> None:
    proxy.choose = some(Fault.THROTTLED, times=3)
    await store.batch(step=STEP, partition=HERE, operations=[Create("a", {})])
    assert [fault for *_, fault in proxy.seen] == [Fault.THROTTLED] * 3 + [Fault.NONE]

    proxy.choose = lambda _: Fault.THROTTLED
    proxy.seen.clear()
    with pytest.raises(StoreUnavailable, match="429"):
        await store.batch(step=STEP, partition=HERE, operations=[Create("b", {})])
    assert len(proxy.seen) == cosmos_account.THROTTLED_TRIES + 1


@pytest.mark.parametrize("fault", TROUBLES)
async def test_trouble_that_does_not_end_is_the_store_being_away_after_few_tries(
    store: Store, proxy: FaultyProxy, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cosmos_account, "CALL_SECONDS", 5.0)
    if fault is Fault.SLOW:
        monkeypatch.setattr(cosmos_account, "CALL_SECONDS", 0.2)
    proxy.choose = lambda request: fault if "/docs" in request.path else Fault.NONE
    for call in (
        lambda: store.read(partition=HERE, id="a"),
        lambda: store.query(partition=HERE, kind="x"),
        lambda: store.batch(step=STEP, partition=HERE, operations=[Put("a", {})]),
    ):
        proxy.seen.clear()
        with pytest.raises(StoreUnavailable, match="Cosmos DB"):
            await call()
        assert len(proxy.seen) <= (cosmos_account.THROTTLED_TRIES + 1) ** 2


@pytest.mark.parametrize("fault", [Fault.DROPPED_AFTER, Fault.HALF])
async def test_a_write_whose_answer_is_lost_is_done_once_and_never_said_to_have_failed_for_good(
    store: Store, proxy: FaultyProxy, fault: Fault
) -> None:
    proxy.choose = some(fault, times=1)
    with suppress(StoreUnavailable, Conflict):  # whoever asks again finds it done
        await store.batch(step=STEP, partition=HERE, operations=[Create("a", {"v": 1})])
    found = await store.read(partition=HERE, id="a")
    assert found
    assert found.body == {"v": 1}


async def test_nothing_is_lost_and_nothing_done_twice_while_everything_goes_wrong_now_and_then(
    store: Store, proxy: FaultyProxy, seed: int
) -> None:
    """Writers count up one number, each conditional on what it read, and write down which counts were theirs."""
    chance = random.Random(seed)
    proxy.choose = lambda request: chance.choice(TROUBLES) if chance.random() < 0.25 else Fault.NONE
    await cosmos_write(store, [Put("count", {"n": 0})])

    async def count(writer: int) -> None:
        for turn in range(8):
            name = f"w{writer}-{turn}"
            while not await _counted(store, name):
                await asyncio.sleep(0)

    await asyncio.gather(*(count(writer) for writer in range(4)))
    proxy.choose = lambda _: Fault.NONE
    head = await store.read(partition=HERE, id="count")
    mine = await store.query(partition=HERE, kind="mine")
    assert head
    assert head.body["n"] == 32
    assert [one.body["n"] for one in mine] == list(range(1, 33))


async def cosmos_write(store: Store, operations: list[Put]) -> None:
    while True:
        try:
            await store.batch(step=STEP, partition=HERE, operations=operations)
        except StoreUnavailable:
            continue
        return


async def _counted(store: Store, name: str) -> bool:
    """Take the next number, unless this was done and the answer got lost."""
    try:
        if await store.read(partition=HERE, id=name):
            return True
        head = await store.read(partition=HERE, id="count")
        assert head
        n = head.body["n"] + 1
        operations = [Replace("count", {"n": n}, head.etag), Create(name, {"kind": "mine", "n": n})]
        await store.batch(step=STEP, partition=HERE, operations=operations)
    except (StoreUnavailable, Conflict):
        return False
    return True


async def test_nobody_asks_for_a_database_or_a_container(front: cosmos.Running) -> None:
    store, checkpoints, memory = cosmos.store(front.url), cosmos.checkpoints(front.url), cosmos.memory(front.url)
    await store.batch(step=STEP, partition=HERE, operations=[Create("a", {"kind": "x", "n": 1})])
    await store.query(partition=HERE, kind="x")
    await (await checkpoints.open()).aget_tuple({"configurable": {"thread_id": "t", "checkpoint_ns": ""}})
    await (await memory.open()).aput(("main", "u"), "k", {"text": "x"})
    await (await memory.open()).asearch(("main", "u"))
    made = [one for one in front.front.asked if one.startswith("POST") and not one.endswith("/docs/")]
    assert made == []
    for one in (store, checkpoints, memory):
        await one.close()


async def test_a_missing_container_and_a_missing_role_say_what_to_do(
    front: cosmos.Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = cosmos.store(front.url)
    monkeypatch.setattr(store, "_name", "nowhere")
    with pytest.raises(StoreUnavailable, match="deploy it, or set its name"):
        await store.read(partition=HERE, id="a")
    await store.close()

    async def refuse(*_: object) -> web.Response:
        return web.json_response({"code": "403", "message": "no"}, status=403)

    store = cosmos.store(front.url)
    await store.read(partition=HERE, id="a")
    monkeypatch.setattr(Front, "_route", refuse)
    with pytest.raises(StoreUnavailable, match="Cosmos DB Built-in Data Contributor"):
        await store.read(partition=HERE, id="a")
    await store.close()


async def test_a_document_that_only_the_service_finds_too_large_is_too_large(
    front: cosmos.Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> web.Response:
        return web.json_response({"code": "413", "message": "no"}, status=413)

    store = cosmos.store(front.url)
    await store.read(partition=HERE, id="a")
    monkeypatch.setattr(Front, "_route", refuse)
    with pytest.raises(TooLarge):
        await store.batch(step=STEP, partition=HERE, operations=[Create("a", {})])
    await store.close()

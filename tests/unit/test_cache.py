"""The cache inside the process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from shared.cache import Cache
from tests.fakes.clock import ManualClock


class Source:
    """Where values come from; counts how often it is asked."""

    def __init__(self, value: str = "one") -> None:
        self.value = value
        self.asked = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self) -> str:
        self.asked += 1
        value = self.value
        await self.go_on.wait()
        return value


def cache(clock: ManualClock, *, most: int = 100, weight: Callable[[str], int] = lambda _: 1) -> Cache[str]:
    return Cache(clock=clock, seconds=lambda value: 60 if value else 5, most=most, weight=weight)


async def asked(source: Source, times: int) -> None:
    while source.asked < times:
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_a_value_is_kept_for_its_time(clock: ManualClock) -> None:
    kept, source = cache(clock), Source()
    assert await kept.get("key", source) == "one"
    source.value = "two"
    clock.pass_(seconds=59)
    assert await kept.get("key", source) == "one"
    clock.pass_(seconds=1)
    assert await kept.get("key", source) == "two"
    assert source.asked == 2


async def test_how_long_is_said_of_each_value(clock: ManualClock) -> None:
    kept, source = cache(clock), Source("")
    assert await kept.get("key", source) == ""
    source.value = "there now"
    clock.pass_(seconds=4)
    assert await kept.get("key", source) == ""
    clock.pass_(seconds=1)
    assert await kept.get("key", source) == "there now"


async def test_many_that_ask_at_once_load_once(clock: ManualClock) -> None:
    kept, source = cache(clock), Source()
    source.go_on.clear()
    asking = [asyncio.create_task(kept.get("key", source)) for _ in range(20)]
    await asked(source, 1)
    asking[0].cancel()
    source.go_on.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == ["one"] * 19
    assert source.asked == 1


async def test_what_nobody_waits_for_any_more_is_not_loaded(clock: ManualClock) -> None:
    kept, source = cache(clock), Source()
    source.go_on.clear()
    asking = [asyncio.create_task(kept.get("key", source)) for _ in range(2)]
    await asked(source, 1)
    loading = [task for task in asyncio.all_tasks() if task not in (*asking, asyncio.current_task())]
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)
    late = asyncio.create_task(kept.get("key", source))
    await asyncio.wait(loading)
    assert [task.cancelled() for task in loading] == [True]
    source.go_on.set()
    assert await late == "one"
    assert source.asked == 2


async def test_another_version_is_loaded_again(clock: ManualClock) -> None:
    kept, source = cache(clock), Source()
    assert await kept.get("key", source, version="1") == "one"
    source.value = "two"
    assert await kept.get("key", source, version="1") == "one"
    assert await kept.get("key", source, version="2") == "two"
    assert source.asked == 2


async def test_what_is_forgotten_while_it_is_loaded_is_not_kept(clock: ManualClock) -> None:
    kept, source = cache(clock), Source()
    source.go_on.clear()
    early = asyncio.create_task(kept.get("key", source))
    await asked(source, 1)
    source.value = "two"
    kept.forget("key")
    late = asyncio.create_task(kept.get("key", source))
    await asked(source, 2)
    source.go_on.set()
    assert (await early, await late) == ("one", "two")
    assert await kept.get("key", source) == "two"
    assert source.asked == 2


async def test_an_error_is_kept_for_nobody(clock: ManualClock) -> None:
    kept = cache(clock)

    async def failing() -> str:
        raise ConnectionError("away")

    with pytest.raises(ConnectionError):
        await kept.get("key", failing)
    assert await kept.get("key", Source()) == "one"


async def test_what_was_used_longest_ago_makes_room(clock: ManualClock) -> None:
    kept = cache(clock, most=10, weight=len)
    sources = {key: Source(key * 4) for key in ("a", "b", "c")}

    def ask(key: str) -> Awaitable[str]:
        return kept.get(key, sources[key])

    await ask("a")
    await ask("b")
    await ask("a")
    await ask("c")
    assert kept.held == 8
    await ask("a")
    await ask("c")
    assert [sources[key].asked for key in ("a", "b", "c")] == [1, 1, 1]
    await ask("b")
    assert sources["b"].asked == 2


async def test_what_is_too_heavy_is_not_kept(clock: ManualClock) -> None:
    kept, source = cache(clock, most=10, weight=len), Source("x" * 11)
    assert await kept.get("key", source) == "x" * 11
    assert kept.held == 0

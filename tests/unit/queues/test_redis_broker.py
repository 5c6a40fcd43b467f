"""What the Redis broker does beyond the contract: clients that die, freeze, wait and disagree about the time."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import timedelta
from pathlib import Path

from shared.clock import SystemClock
from shared.queues.redis import RedisBroker
from shared.queues.redis_ears import TICK_SECONDS
from shared.queues.redis_settings import RedisSettings
from shared.steps import Step
from shared.topology import BACKGROUND, INBOUND, QUEUES, TURNS
from tests.fakes.clock import ManualClock
from tests.redis_process import RedisProcess
from tests.unit.queues.redis_kit import (
    LONG,
    PROMISED,
    Place,
    both,
    both_come_free,
    holder,
    line_of,
    own_place,
    send,
)

# --- clients


async def test_the_locks_of_a_killed_process_come_back_as_soon_as_promised(place: Place) -> None:
    async with holder(place, seconds=RedisSettings().holder_seconds) as process:
        process.kill()
        await both_come_free(place.open(), PROMISED)


async def test_a_process_that_lives_keeps_its_locks(place: Place) -> None:
    async with holder(place, seconds=2):
        broker = place.open()
        assert await both(broker) == (0, 0)
        await broker.wait(queues=[TURNS], timeout=4)
        assert await both(broker) == (0, 0)


async def test_a_process_that_was_frozen_settles_nothing_any_more(place: Place) -> None:
    async with holder(place, seconds=1) as process:
        os.kill(process.pid, signal.SIGSTOP)
        broker = place.open()
        await both_come_free(broker, LONG / 2)
        os.kill(process.pid, signal.SIGCONT)
        await send(broker, BACKGROUND, "b")
        assert [await line_of(process) for _ in range(3)] == ["1", "lost", "lost"]


async def test_another_process_hears_of_a_message(place: Place) -> None:
    async with holder(place, seconds=4) as process:
        await send(place.open(), BACKGROUND, "b")
        assert await line_of(process) == "1"


async def test_closing_gives_back_what_is_held(place: Place) -> None:
    first, second = place.open(), place.open()
    await send(first, INBOUND, "a", session="s")
    await send(first, TURNS, "a")
    assert await both(first) == (1, 1)
    assert await both(second) == (0, 0)
    await first.close()
    assert await both(second) == (2, 2)


async def test_the_locks_go_by_one_clock_whatever_a_machine_thinks_that_it_is(place: Place) -> None:
    await locks_go_by_one_clock(place)


async def locks_go_by_one_clock(place: Place, *, server_time: bool = True) -> None:
    """The second machine's clock is an hour ahead: by that clock the first one's lock ended long ago."""
    here = SystemClock().now()
    behind, ahead = ManualClock(at=here), ManualClock(at=here + timedelta(hours=1))
    first, second = (place.open(clock=clock, server_time=server_time) for clock in (behind, ahead))
    await send(first, TURNS, "a")
    [held] = await first.receive(queue=TURNS, limit=1)
    assert not await second.receive(queue=TURNS, limit=1), "a lock was taken from its holder"
    await send(second, TURNS, "b")
    [other] = await second.receive(queue=TURNS, limit=1)
    assert [held.locked_until, other.locked_until] == [
        each.now() + QUEUES[TURNS].lock_duration for each in (behind, ahead)
    ]
    assert await second.renew(message=other) == ahead.now() + QUEUES[TURNS].lock_duration
    await first.complete(step=Step.SETTLE_TURNS, message=held)


# --- waiting


async def test_who_waits_wakes_at_once(place: Place) -> None:
    await who_waits_wakes_at_once(place)


async def who_waits_wakes_at_once(place: Place, patience: float = LONG) -> None:
    waiter, sender, loop = place.open(), place.open(), asyncio.get_running_loop()
    took = []
    for number in range(5):
        receiving = asyncio.create_task(waiter.receive(queue=TURNS, limit=1, timeout=patience))
        await it_has_looked_and_waits(waiter)
        began = loop.time()
        await send(sender, TURNS, str(number))
        assert await receiving, "nobody woke it"
        took.append(loop.time() - began)
    assert min(took) < TICK_SECONDS / 2


async def it_has_looked_and_waits(broker: RedisBroker) -> None:
    async with asyncio.timeout(LONG):
        while not broker._ears._wakeups.waiting():  # from here on only a wake-up lets it look again
            await asyncio.sleep(0.001)


async def test_who_waits_asks_nothing(tmp_path: Path) -> None:
    async with own_place(tmp_path) as place:
        broker = place.open()
        await broker.wait(queues=[TURNS, INBOUND], timeout=0.01)
        before = scripts_run(place.server)
        await broker.wait(queues=[TURNS, INBOUND], timeout=1.5)
        assert scripts_run(place.server) - before == 2, "one look at each queue, and no other"


def scripts_run(server: RedisProcess) -> int:
    stats = dict(line.partition(":")[::2] for line in server.ask("INFO", "commandstats").splitlines())
    calls = (stats.get(f"cmdstat_{name}", "calls=0,") for name in ("eval", "evalsha"))
    return sum(int(each.partition("calls=")[2].partition(",")[0]) for each in calls)


# --- what stays behind


async def test_nothing_stays_of_what_is_done(place: Place) -> None:
    clock = ManualClock()
    broker = place.open(clock=clock, server_time=False)
    for number in range(200):
        await send(broker, INBOUND, str(number), session=f"s{number}")
        session = await broker.accept_session(queue=INBOUND)
        assert session
        [message] = await broker.receive_session(queue=INBOUND, session=session, limit=1)
        await broker.complete(step=Step.SETTLE_INBOUND, message=message)
        await broker.release_session(queue=INBOUND, session=session)
        clock.pass_(seconds=600)
    await broker.close()
    queue = f"{{{place.prefix}:{INBOUND}}}"
    kept = {name.removeprefix(queue) for name in await keys(place, queue)}
    assert kept == {":sequence", ":seen"}
    assert int(place.server.ask("ZCARD", f"{queue}:seen")[1:]) <= 7, "an hour of ids"


async def keys(place: Place, queue: str) -> list[str]:
    broker = place.open()
    found = await broker._server.ask("KEYS", "*")
    return [name.decode() for name in found if name.decode().startswith(queue)]


async def test_a_holder_that_is_closed_leaves_no_consumer(place: Place) -> None:
    first = place.open()
    await send(first, TURNS, "a")
    [message] = await first.receive(queue=TURNS, limit=1)
    await first.complete(step=Step.SETTLE_TURNS, message=message)
    await first.close()
    lane = f"{{{place.prefix}:{TURNS}}}:messages"
    consumers = await place.open()._server.ask("XINFO CONSUMERS", lane, "group")
    assert [each for each in consumers if each["name"] != b"back"] == []


async def test_an_accept_that_was_cancelled_holds_nothing(place: Place) -> None:
    broker = place.open()
    await send(broker, INBOUND, "a", session="s")
    for turns_of_the_loop in range(6):
        accepting = asyncio.create_task(broker.accept_session(queue=INBOUND))
        for _ in range(turns_of_the_loop):
            await asyncio.sleep(0)
        accepting.cancel()
        await asyncio.wait({accepting})
        if not accepting.cancelled():
            await broker.release_session(queue=INBOUND, session="s")
        await asyncio.wait_for(broker.wait(queues=[INBOUND], timeout=LONG), LONG / 2)
    assert await broker.accept_session(queue=INBOUND) == "s"
    [message] = await broker.receive_session(queue=INBOUND, session="s", limit=1)
    assert message.delivery_count == 1

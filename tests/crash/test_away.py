"""The store, or the queue, is away or loses its answers under load: nothing is lost, nothing is dead, order is kept."""

from __future__ import annotations

import asyncio

import pytest

from tests.crash import truth
from tests.crash.host import QUEUE_AWAY, QUEUE_MUTE, SAYS_THE_TEST, STORE_AWAY, STORE_MUTE
from tests.crash.report import Report
from tests.crash.stage import Stage
from tests.crash.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOCK_SECONDS = 1.0
AWAY_SECONDS = 10 * LOCK_SECONDS
CHATS = range(101, 121)


@pytest.mark.parametrize("sign", [STORE_AWAY, QUEUE_AWAY, STORE_MUTE, QUEUE_MUTE])
@pytest.mark.parametrize("split", [False, True], ids=["one process", "split"])
async def test_away_for_ten_lock_durations_under_load(stage: Stage, report: Report, sign: str, split: bool) -> None:
    row = report.aim(f"{sign}{' (split)' if split else ''}", "", int(AWAY_SECONDS))
    options = ("--lock-seconds", str(LOCK_SECONDS))
    if split:
        await stage.start_split(options=options)
    else:
        await stage.start(*options)
    stop = asyncio.Event()
    talking = asyncio.create_task(_talk(stage, stop))
    await until(lambda: len(stage.telegram.sent()) > len(CHATS), seconds=30, what="the work has begun")
    (stage.signs / sign).touch()
    await asyncio.sleep(AWAY_SECONDS)  # how long it is away, not something to wait for
    (stage.signs / sign).unlink()
    assert any(SAYS_THE_TEST in host.err.read_text() for host in stage.hosts), "nobody noticed"
    row.reached = True
    stop.set()
    await talking
    await stage.settle(seconds=100)
    complaints = await stage.complaints()
    row.result = "as promised" if not complaints else complaints[0]
    assert complaints == []
    assert await stage.dead_letters() == []
    assert truth.dead_queues(stage.home) == {}


async def _talk(stage: Stage, stop: asyncio.Event) -> None:
    """Everybody writes as soon as what they wrote before was taken, until told to stop."""
    n = 0
    while not stop.is_set():
        n += 1
        said = [stage.traffic.say(chat, f"c{chat} n{n}") for chat in CHATS]
        while not (stop.is_set() or all(one.taken for one in said)):
            await asyncio.sleep(0.02)
        # About as many as people write, and not as many as the queue can take.
        await asyncio.sleep(0.5)

"""Progress: shown while a turn works, and gone when it is told to stop, whatever was said a moment before."""

from __future__ import annotations

import asyncio
from pathlib import Path

from shared.conversation.mailbox import address_of
from shared.conversation.outbox_records import ProgressRecord
from shared.conversation.records import PROGRESS
from shared.pipeline import progress
from shared.pipeline.progress import ProgressDisplay
from shared.pipeline.rooms import Room
from tests.fakes.world import World
from tests.property.still_loop import StillLoop


def test_it_stops_although_something_was_said_in_the_same_moment(tmp_path: Path) -> None:
    """On Python 3.11 `asyncio.wait_for` swallows a cancellation that comes together with what it waits for."""
    world = World(tmp_path)
    loop = StillLoop(world.clock)

    async def work() -> None:
        room = Room(partition=world.partition(), channel=world.channel)
        display = ProgressDisplay(room=room, address=address_of(world.say("")), clock=world.clock)
        await asyncio.sleep(progress.FIRST_AFTER + progress.CHANGE_EVERY + 0.1)
        display.say("Reading")
        await display.stop()

    task = loop.create_task(work())
    for _ in range(20):
        loop.run_until_quiet()
        world.clock.pass_(seconds=0.5)
    stopped = task.done()
    task.cancel()
    loop.run_until_quiet()
    loop.close()
    assert stopped
    assert world.channel.shown[-1] is None


def test_status_names_it_also_where_the_platform_shows_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    loop = StillLoop(world.clock)
    noted: list[str] = []

    async def work() -> None:
        partition = world.partition()
        display = ProgressDisplay(
            room=Room(partition=partition, channel=world.channel), address=address_of(world.say("")), clock=world.clock
        )
        display.say("3 of 6")
        for stops in (False, True):
            await (display.stop() if stops else asyncio.sleep(progress.FIRST_AFTER + 0.1))
            found = await partition.load(PROGRESS, ProgressRecord)
            noted.append(found.record.text if found else "")

    task = loop.create_task(work())
    for _ in range(20):
        loop.run_until_quiet()
        world.clock.pass_(seconds=0.5)
    assert task.done()
    loop.close()
    assert noted == ["3 of 6", ""]
    assert world.channel.shown == ["3 of 6", None]

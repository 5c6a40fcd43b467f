"""The sweeper: what nobody rang for is rung for, once a minute, and at once after a restart."""

from __future__ import annotations

from shared.messages import EventKind
from shared.steps import Step
from shared.topology import OUTBOUND, TURNS
from tests.fakes.world import World


async def lose(world: World, queue: str) -> None:
    """Every bell of a queue is gone, as if whoever was to ring had been killed."""
    for message in await world.app.broker.receive(queue=queue, limit=100):
        await world.app.broker.complete(step=Step.SETTLE_TURNS, message=message)


async def test_a_lost_bell_is_rung_again_once_a_minute(world: World) -> None:
    await world.arrive("hello")
    await lose(world, TURNS)
    world.clock.pass_(seconds=61)
    assert await world.app.sweeper.sweep() == 1
    await lose(world, TURNS)
    assert await world.app.sweeper.sweep() == 0
    world.clock.pass_(seconds=61)
    assert await world.app.sweeper.sweep() == 1


async def test_a_long_background_queue_is_not_doubled_every_minute(world: World) -> None:
    for n in range(250):
        await world.arrive("water the plants", n=n, chat=f"chat {n}", kind=EventKind.REMINDER)
    await world.arrive("hello", n="hello", chat="another")
    world.clock.pass_(seconds=61)
    assert await world.app.sweeper.sweep() == 101
    assert await world.app.sweeper.sweep() == 100


async def test_after_a_restart_nobody_waits_a_minute_for_a_lost_bell(world: World) -> None:
    await world.arrive("hello", n=1, chat="a")
    await world.settle()
    await world.arrive("hello", n=2, chat="b")
    await world.arrive("/help", n=3, chat="c")
    await lose(world, TURNS)
    await lose(world, OUTBOUND)
    assert await world.app.sweeper.after_restart() == 2
    assert sorted(await world.settle()) == [OUTBOUND, OUTBOUND, TURNS]
    assert "You said: hello" in world.texts[1:]
    assert await world.app.sweeper.after_restart() == 0

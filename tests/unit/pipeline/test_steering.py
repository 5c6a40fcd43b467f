"""What people say while a run works: it takes it in, or it waits, or it stops the run, as the mode says."""

from __future__ import annotations

import pytest

from shared.agent.turn import Control, Outcome, Segment
from tests.fakes import courses
from tests.fakes.world import World


async def test_what_comes_in_while_a_run_works_is_seen_before_its_next_step(world: World) -> None:
    seen: list[str] = []

    async def work(segment: Segment, control: Control) -> Outcome:
        assert not await control.arrivals()
        await world.arrive("no, the other one", n=2)
        world.clock.pass_(seconds=1)
        await control.before_step()
        assert control.waiting()
        seen.extend(one.text for one in await control.arrivals())
        assert not control.waiting()
        return courses.said("the other one, then")

    world.assistant.course = work
    await world.arrive("take this one")
    await world.settle()
    assert seen == ["no, the other one"]
    assert world.messages == ["the other one, then"]
    record = await world.record()
    assert (record.waiting, record.settled, record.entries) == (0, 2, 2)


@pytest.mark.parametrize(("mode", "turns"), [("followup", 2), ("collect", 1), ("steer", 2)])
async def test_what_waits_when_a_turn_begins_depends_on_the_mode(world: World, mode: str, turns: int) -> None:
    async def work(segment: Segment, control: Control) -> Outcome:
        await control.before_step()
        arrived = await control.arrivals()
        return courses.said(" + ".join([segment.question.text, *(one.text for one in arrived)]))

    await world.arrive(f"/queue {mode}", n="mode")
    await world.settle()
    world.channel.sent.clear()
    world.assistant.course = work
    await world.arrive("one", n=2)
    await world.arrive("two", n=3)
    await world.settle()
    assert len(world.messages) == turns
    assert " + ".join(world.messages) == "one + two"


async def test_in_the_mode_interrupt_a_message_stops_the_run_and_gets_its_own_turn(world: World) -> None:
    await world.arrive("/queue interrupt", n="mode")
    await world.settle()
    world.channel.sent.clear()

    async def work(segment: Segment, control: Control) -> Outcome:
        if segment.question.text == "first":
            await world.arrive("second", n=3)
            world.clock.pass_(seconds=1)
            await control.before_step()
        return courses.said(segment.question.text)

    world.assistant.course = work
    await world.arrive("first", n=2)
    await world.settle()
    assert world.messages[0].startswith("Stopped: “first”")
    assert world.messages[1] == "second"

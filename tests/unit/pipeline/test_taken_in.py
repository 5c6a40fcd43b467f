"""What a run takes in while it works is consumed with its next checkpoint; the run's own entry stays open, and is found."""

from __future__ import annotations

from shared.agent.turn import Answer, Control, Cost, Outcome, Pointer, Segment
from shared.conversation.records import Entry
from shared.messages import Permanent
from shared.ports import Effect
from tests.fakes import courses
from tests.fakes.dead_letters import replay
from tests.fakes.world import World


async def test_a_run_that_took_something_in_is_gone_on_with_after_a_crash(world: World) -> None:
    found: list[Entry | None] = []

    async def course(segment: Segment, control: Control) -> Outcome:
        await control.arrivals()
        await world.arrive("and this", n=2)
        world.clock.pass_(seconds=1)
        await control.before_step()
        assert [one.text for one in await control.arrivals()] == ["and this"]
        pointer = Pointer(thread="t", checkpoint="1")
        await control.ledger.start(key="k", tool="post", effect=Effect.WRITE, arguments="", attempt=1, pointer=pointer)
        head = await world.record()
        lowest = await world.partition().next_entry(head)
        found.append(lowest.record if lowest else None)
        assert head.waiting == 1
        return Outcome(cost=Cost(), answer=Answer(text="done"))

    world.assistant.course = course
    event = await world.arrive("please", n=1)
    await world.settle()
    assert [entry.event.id if entry else None for entry in found] == [event.id]
    assert (await world.record()).settled == 2


async def test_what_a_run_took_in_before_it_failed_is_told_to_its_replay(world: World) -> None:
    told: list[list[str]] = []

    async def breaks(segment: Segment, control: Control) -> Outcome:
        if len(world.assistant.segments) == 1:
            await control.arrivals()
            await world.arrive("and this", n=2)
        world.clock.pass_(seconds=1)
        await control.before_step()
        told.append([one.text for one in await control.arrivals()])
        raise Permanent("no such model")

    async def goes_on(segment: Segment, control: Control) -> Outcome:
        told.append([one.text for one in await control.arrivals()])
        assert not await control.arrivals(), "once is enough"
        return courses.paused(segment)

    async def ends(segment: Segment, control: Control) -> Outcome:
        told.append([one.text for one in await control.arrivals()])
        return courses.said("done")

    world.assistant.course = courses.in_turn(breaks, breaks, goes_on, ends)
    event = await world.arrive("please", n=1)
    await world.settle()
    for _ in range(2):
        await replay(world)
        await world.settle()
    assert told == [["and this"], ["and this"], ["and this"], []], "until a checkpoint that knows of it is accepted"
    run = await world.partition().run(event.id)
    assert run
    assert (len(run.record.taken), run.record.unheard) == (1, ())
    record = await world.record()
    assert (record.waiting, record.settled, record.entries) == (0, 4, 4)


async def test_a_checkpoint_from_before_it_was_told_does_not_count(world: World) -> None:
    told: list[str] = []

    async def breaks(segment: Segment, control: Control) -> Outcome:
        await control.arrivals()
        await world.arrive("and this", n=2)
        world.clock.pass_(seconds=1)
        await control.before_step()
        await control.arrivals()
        raise Permanent("no such model")

    async def does_what_was_planned(segment: Segment, control: Control) -> Outcome:
        await courses.write(segment, control, key="k", does=nothing)
        told.extend(one.text for one in await control.arrivals())
        return courses.said("done")

    async def nothing() -> None:
        pass

    world.assistant.course = courses.in_turn(courses.pause, breaks, does_what_was_planned)
    await world.arrive("please", n=1)
    await world.settle()
    await replay(world)
    await world.settle()
    assert told == ["and this"]

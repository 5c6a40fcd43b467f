"""What a run takes in while it works is consumed with its next checkpoint; the run's own entry stays open, and is found."""

from __future__ import annotations

from shared.agent.turn import Answer, Control, Cost, Outcome, Pointer, Segment
from shared.conversation.records import Entry
from shared.ports import Effect
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

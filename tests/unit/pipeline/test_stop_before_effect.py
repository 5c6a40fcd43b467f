"""A call that changes something does not begin once /stop was accepted, however close the two are."""

from __future__ import annotations

import pytest

from shared.agent.turn import Control, Outcome, Pointer, Segment, Stopped
from shared.conversation.states import RunState
from shared.ports import Effect
from tests.fakes.world import World


async def test_a_stop_right_before_the_row_is_written_wins(world: World) -> None:
    async def course(segment: Segment, control: Control) -> Outcome:
        await control.before_step()
        await world.arrive("/stop", n=2)
        with pytest.raises(Stopped):
            await control.ledger.start(
                key="k",
                tool="post",
                effect=Effect.WRITE,
                arguments="",
                attempt=1,
                pointer=Pointer(thread="t", checkpoint="1"),
            )
        raise Stopped("the person said stop")

    world.assistant.course = course
    event = await world.arrive("please", n=1)
    await world.settle()
    run = await world.partition().run(event.id)
    assert run
    assert run.record.state is RunState.STOPPED
    assert await world.partition().effects(entry=run.record.entry) == []

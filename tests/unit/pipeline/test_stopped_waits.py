"""/stop ends a turn that waits for something that is away, its run too."""

from __future__ import annotations

from shared.conversation.states import EntryState, RunState
from shared.messages import ModelUnavailable
from tests.fakes.world import World


async def test_a_turn_that_waits_for_the_model_is_stopped_with_its_run(world: World) -> None:
    world.assistant.troubles.append(ModelUnavailable("away"))
    event = await world.arrive("please", n=1)
    await world.settle()
    assert (await world.entry(event)).state is EntryState.WAITING
    await world.arrive("/stop", n=2)
    await world.settle()
    assert (await world.entry(event)).state is EntryState.STOPPED
    run = await world.partition().run(event.id)
    assert run
    assert (run.record.state, run.record.ttl is None) == (RunState.STOPPED, False)

"""/stop ends a run that waits, although the sweeper writes the run in the same moment."""

from __future__ import annotations

from typing import Any

import pytest

from shared.agent.turn import Asked, AskKind, Control, Cost, Outcome, Pointer, Segment
from shared.conversation.partition import Transaction
from shared.conversation.states import RunState
from shared.steps import Step
from tests.fakes.world import World


async def _asks(segment: Segment, control: Control) -> Outcome:
    asked = Asked(
        interrupt="i",
        index=0,
        call="c",
        kind=AskKind.CHOICE,
        tool="ask",
        arguments={},
        text="Which?",
        options=("a", "b"),
    )
    return Outcome(cost=Cost(), asked=[asked], pointer=Pointer(thread="t", checkpoint="1"))


async def test_a_run_that_the_sweeper_writes_meanwhile_is_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.assistant.course = _asks
    event = await world.arrive("please", n=1)
    await world.settle()
    stops, partition = world.app.stops, world.partition()
    below = stops._below

    async def swept(*given: Any) -> Any:
        ended = await below(*given)
        run = await partition.run(event.id)
        assert run
        transaction = Transaction()
        transaction.save(run, run.record.with_(wake_at=world.in_(60)))
        await partition.commit(Step.MARK_SWEPT, transaction)
        return ended

    with monkeypatch.context() as patch:
        patch.setattr(stops, "_below", swept)
        await world.arrive("/stop", n=2)
        bell = world.bell()
        await world.app.turns.answer(bell)
    run = await partition.run(event.id)
    assert run
    assert (run.record.state, run.record.wake_at) == (RunState.STOPPED, None)

"""A write under the lease whose caller is cancelled while the store does it: the next one goes on from what was written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from shared.agent.turn import Control, Outcome, Segment
from shared.conversation.states import EffectState, RunState
from shared.messages import StoreUnavailable
from shared.steps import Step
from tests.fakes import courses
from tests.fakes.world import World


@pytest.mark.parametrize("answers", [True, False])
async def test_the_end_is_written_after_a_write_that_was_cut(
    world: World, monkeypatch: pytest.MonkeyPatch, *, answers: bool
) -> None:
    done, go = asyncio.Event(), asyncio.Event()
    batch = world.app.store.batch

    async def slow(*, step: Step, **given: Any) -> Sequence[str]:
        etags = await batch(step=step, **given)
        if step is Step.START_EFFECT:
            done.set()
            await go.wait()
            if not answers:
                raise StoreUnavailable("the answer got lost")
        return etags

    async def course(segment: Segment, control: Control) -> Outcome:
        writing = asyncio.create_task(courses.write(segment, control, key="k", does=never))
        await done.wait()
        writing.cancel()
        await asyncio.sleep(0)
        go.set()
        await asyncio.wait({writing})
        assert writing.cancelled()
        return courses.said("done")

    async def never() -> None:
        raise AssertionError("it left, although it was cancelled")

    monkeypatch.setattr(world.app.store, "batch", slow)
    world.assistant.course = course
    made = await world.arrive("please")
    await world.settle()
    assert world.messages == ["done"]
    assert len(world.assistant.segments) == 1
    run = await world.partition().run(made.id)
    assert run
    assert (run.record.state, run.record.checkpoint and run.record.checkpoint.id) == (RunState.FINISHED, "k")
    [effect] = await world.partition().effects(entry=run.record.entry, states=list(EffectState))
    assert effect.state is EffectState.STARTED

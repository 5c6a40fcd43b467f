"""A store that shows others' writes late: a bell that finds nothing looks once more, and no more than once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.conversation.partition import run_id
from shared.messages import Bell
from shared.pipeline.run import Reference
from shared.pipeline.segments import Do
from shared.steps import Step
from shared.topology import DEAD_LETTERS, OUTBOUND, TURNS
from tests.fakes.courses import pause
from tests.fakes.world import World

LAG = 0.5


async def next_bell(world: World, queue: str) -> Bell | None:
    messages = await world.app.broker.receive(queue=queue, limit=1)
    for message in messages:
        await world.app.broker.complete(step=Step.SETTLE_TURNS, message=message)
        return Bell.model_validate_json(message.body)
    return None


async def test_a_bell_that_comes_before_what_it_is_about_looks_once_more(world: World) -> None:
    world.app.store.lag = LAG
    for queue in (TURNS, OUTBOUND, DEAD_LETTERS):
        body = world.bell().model_copy(update={"subject": "dead:x" if queue == DEAD_LETTERS else ""})
        await world.handle(queue, body.model_dump_json().encode())
        assert await next_bell(world, queue) is None, "not at once"
        world.clock.pass_(seconds=LAG)
        again = await next_bell(world, queue)
        assert again
        await world.handle(queue, again.model_dump_json().encode())
        world.clock.pass_(seconds=3600)
        assert await next_bell(world, queue) is None, "and no third time"


async def test_where_nothing_is_seen_late_nobody_looks_twice(world: World) -> None:
    for queue in (TURNS, OUTBOUND):
        await world.handle(queue, world.bell().model_dump_json().encode())
        world.clock.pass_(seconds=3600)
        assert await next_bell(world, queue) is None


async def test_what_follows_from_a_second_look_may_be_looked_at_twice_itself(world: World) -> None:
    seen = world.bell().model_copy(update={"again": True})
    at = world.clock.now() + timedelta(seconds=1)
    await world.app.bells.ring(step=Step.RING_PART, queue=OUTBOUND, bell=seen, at=at)
    world.clock.pass_(seconds=1)
    rung = await next_bell(world, OUTBOUND)
    assert rung
    assert not rung.again


@pytest.mark.parametrize(("lag", "then"), [(0.01, Do.AGAIN), (0.0, Do.END)])
async def test_a_run_that_its_own_orchestration_does_not_see_yet_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch, lag: float, then: Do
) -> None:
    world.assistant.course = pause
    made = await world.arrive("something long")
    [bell] = await world.app.broker.receive(queue=TURNS, limit=1)
    await world.handle(TURNS, bell.body)
    read, unseen = world.app.store.read, [run_id(made.id)]

    async def lagging(*, id: str, **arguments: object) -> object:
        if id in unseen:
            unseen.remove(id)
            return None
        return await read(id=id, **arguments)

    world.app.store.lag = lag
    monkeypatch.setattr(world.app.store, "read", lagging)
    reference = Reference(tenant="main", conversation=world.partition().id, run=made.id)
    assert (await world.app.runs.step(reference)).do is then

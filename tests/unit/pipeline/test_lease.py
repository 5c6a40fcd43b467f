"""The lease: what happens when its renewal, its last write and its loss meet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.conversation.lease import Hold
from shared.messages import Conflict
from shared.steps import Step
from shared.topology import OUTBOUND, TURNS
from tests.fakes.world import World


@pytest.fixture
async def brief(tmp_path: Path) -> AsyncIterator[World]:
    """A world whose leases are renewed after a few milliseconds; by its clock, which stands still, none runs out."""
    made = World(tmp_path, PRAXOS_LEASE_SECONDS=0.01)
    yield made
    await made.close()


async def test_a_renewal_that_waited_for_the_last_write_does_not_take_the_lease_again(
    brief: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewing = asyncio.Event()
    renew, batch = Hold._renew, brief.app.store.batch

    async def noted(self: Hold[object]) -> None:
        renewing.set()
        await renew(self)

    async def slow(*, step: Step, **arguments: object) -> object:
        if step is Step.FINISH_TURN:
            renewing.clear()
            await renewing.wait()
        return await batch(step=step, **arguments)

    monkeypatch.setattr(Hold, "_renew", noted)
    monkeypatch.setattr(brief.app.store, "batch", slow)
    await brief.arrive("hello")
    await brief.settle()
    record = await brief.record()
    assert record.lease.until is None
    assert record.wake_at is None
    assert brief.texts == ["You said: hello"]


@pytest.mark.parametrize(("step", "queue"), [(Step.TAKE_TURN, TURNS), (Step.TAKE_PART, OUTBOUND)])
async def test_a_conflict_that_never_ends_is_a_bug_and_no_endless_loop(
    world: World, monkeypatch: pytest.MonkeyPatch, step: Step, queue: str
) -> None:
    batch = world.app.store.batch

    async def conflicting(*, step: Step, **arguments: object) -> object:
        if step is refused:
            raise Conflict("somebody was faster, says the test")
        return await batch(step=step, **arguments)

    refused = step
    monkeypatch.setattr(world.app.store, "batch", conflicting)
    await world.arrive("hello" if queue == TURNS else "/help")
    [bell] = await world.app.broker.receive(queue=queue, limit=1)
    with pytest.raises(RuntimeError, match=f"{step}: lost"):
        await world.handle(queue, bell.body)

"""The lease: what happens when its renewal, its last write and its loss meet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.conversation.lease import Hold
from shared.steps import Step
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

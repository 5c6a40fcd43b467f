"""The lease: what happens when its renewal, its last write and its loss meet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.conversation import lease
from shared.conversation.lease import Hold
from shared.conversation.records import OUTBOX
from shared.messages import Conflict, StoreUnavailable
from shared.pipeline import words
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


@pytest.mark.parametrize("step", [Step.TAKE_TURN, Step.FINISH_TURN, Step.TAKE_PART, Step.RECORD_PART])
async def test_a_write_whose_answer_got_lost_is_not_done_twice(
    world: World, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    batch, lost = world.app.store.batch, iter([StoreUnavailable("the answer got lost")])
    monkeypatch.setattr(lease, "STORE_PAUSE", 0)

    async def forgetful(*, step: Step, **arguments: object) -> object:
        done = await batch(step=step, **arguments)
        for trouble in lost if step is unheard else ():
            raise trouble
        return done

    unheard = step
    await world.arrive("x" * 100, n=1)
    await world.arrive("/help", n=2)
    monkeypatch.setattr(world.app.store, "batch", forgetful)
    await world.settle()
    for _ in range(3):
        await world.pass_(seconds=31)
    await world.arrive("next", n=3)
    await world.settle()
    assert len(world.assistant.asked) == 2
    assert sorted("".join(world.texts)) == sorted(f"You said: {'x' * 100}You said: next{words.help_text().text}")
    # Whoever took the part without hearing of it cannot tell whether it has left.
    assert [sent.repeat for sent in world.channel.sent].count(True) == (1 if step is Step.TAKE_PART else 0)
    assert next(lost, None) is None, "no answer got lost"


@pytest.mark.parametrize("step", [Step.FINISH_TURN, Step.RECORD_PART])
async def test_a_lease_that_was_given_back_unheard_is_not_taken_again(
    world: World, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    """The last write is done, its answer gets lost, and the lease's time is over before anybody can ask again."""
    batch, lost = world.app.store.batch, iter([StoreUnavailable("the answer got lost")])

    async def forgetful(*, step: Step, **arguments: object) -> object:
        done = await batch(step=step, **arguments)
        for trouble in lost if step is unheard else ():
            world.clock.pass_(seconds=31)
            raise trouble
        return done

    unheard = step
    await world.arrive("hello")
    monkeypatch.setattr(world.app.store, "batch", forgetful)
    await world.settle()
    await world.pass_(seconds=31)
    assert next(lost, None) is None, "no answer got lost"
    assert world.texts == ["You said: hello"]
    for head in (await world.record(), await world.outbox()):
        assert head.lease.until is None
        assert head.wake_at is None, "nobody is to look again, for ever"


async def test_a_write_that_was_never_asked_for_is_done_when_the_store_is_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, away = world.app.store.read, iter([StoreUnavailable("away")])
    monkeypatch.setattr(lease, "STORE_PAUSE", 0)

    async def unsteady(*, id: str, **arguments: object) -> object:
        for trouble in away if id == OUTBOX and world.assistant.asked else ():
            raise trouble
        return await read(id=id, **arguments)

    await world.arrive("hello")
    monkeypatch.setattr(world.app.store, "read", unsteady)
    await world.settle()
    assert next(away, None) is None, "it was never away"
    assert world.texts == ["You said: hello"]
    assert len(world.assistant.asked) == 1

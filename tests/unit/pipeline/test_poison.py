"""What no delivery can ever handle becomes a dead letter, and does not come back for ever."""

from __future__ import annotations

import pytest

from shared.conversation.dead_letter_records import About
from shared.messages import InboundEvent, Permanent, StoreUnavailable
from shared.pipeline import words
from shared.pipeline.webhook import Inbound
from shared.ports import BATCH_BYTES
from shared.steps import Step
from tests.fakes.world import World


def body(event: InboundEvent) -> bytes:
    return Inbound(event=event).model_dump_json().encode()


async def test_an_event_of_a_channel_that_is_off_is_kept_with_its_reason(world: World) -> None:
    made = world.say("hello")
    world.app._channels["fake"] = None
    await world.app.intake.receive(body(made))
    [letter] = await world.letters()
    assert letter.about is About.EVENT
    assert letter.event == made
    assert "not configured" in letter.reason
    assert letter.wake_at, "the person is told when the channel is back"
    world.app._channels["fake"] = world.channel
    await world.pass_(seconds=61)
    assert "".join(world.texts) == words.COULD_NOT


async def test_an_event_that_fits_no_transaction_is_kept_in_part(world: World) -> None:
    await world.arrive("x" * (BATCH_BYTES + 1))
    [letter] = await world.letters()
    assert letter.event is not None
    assert 0 < len(letter.event.text) < 10_000
    await world.settle()
    assert "".join(world.texts) == words.COULD_NOT
    await world.arrive("hello", n=2)
    await world.settle()
    assert world.texts[-1] == "You said: hello"


async def test_a_bug_that_outlives_every_delivery_ends_as_a_dead_letter(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ValueError("a bug")

    made = world.say("hello")
    with monkeypatch.context() as patch:
        patch.setattr(world.app.commands, "decision", broken)
        with pytest.raises(ValueError, match="a bug"):
            await world.app.intake.receive(body(made))
        assert await world.letters() == [], "the broker delivers it again"
        await world.app.intake.receive(body(made), late=True)
    [letter] = await world.letters()
    assert "ValueError" in letter.reason
    await world.settle()
    assert "".join(world.texts) == words.COULD_NOT


async def test_a_summary_that_cannot_be_kept_now_is_made_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, away = world.app.store.batch, iter([StoreUnavailable("away")])

    async def unsteady(*, step: Step, **arguments: object) -> object:
        for trouble in away if step is Step.SUMMARISE else ():
            raise trouble
        return await batch(step=step, **arguments)

    monkeypatch.setattr(world.app.store, "batch", unsteady)
    for n in range(25):
        await world.arrive(f"text {n}", n=n)
        await world.settle()
    assert next(away, None) is None, "no summary was made"
    await world.pass_(seconds=5)
    assert (await world.record()).summarised


async def test_a_person_who_cannot_be_told_now_is_told_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, away = world.app.store.batch, iter([StoreUnavailable("away")])

    async def unsteady(*, step: Step, **arguments: object) -> object:
        for trouble in away if step is Step.TELL_DEAD_LETTER else ():
            raise trouble
        return await batch(step=step, **arguments)

    monkeypatch.setattr(world.app.store, "batch", unsteady)
    world.assistant.troubles.append(Permanent("no such model"))
    await world.arrive("hello")
    await world.settle()
    assert world.texts == []
    await world.pass_(seconds=5)
    assert "".join(world.texts) == words.COULD_NOT

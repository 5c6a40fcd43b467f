"""Replays of what was not taken in: events, messages of a queue, reminders."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.conversation.dead_letter_records import About
from shared.conversation.mailbox import address_of
from shared.conversation.reminders import UserReminders
from shared.conversation.states import DeadLetterState, EntryState
from shared.messages import (
    EventKind,
    MovedOn,
    Permanent,
    StoreUnavailable,
)
from shared.pipeline import words
from shared.pipeline.dead_letter_views import Summary
from shared.pipeline.webhook import Inbound
from shared.steps import Step
from shared.topology import TURNS
from tests.fakes.dead_letters import (
    WHO,
    a_dead_message,
    an_event_of_a_channel_that_is_off,
    meet_before_the_first,
    only,
    replay,
    stored,
)
from tests.fakes.world import World

# --- events that were not taken in ----------------------------------------------------------------------------


async def test_an_event_is_taken_in_when_its_channel_is_back(world: World) -> None:
    made = await an_event_of_a_channel_that_is_off(world)
    letter = await only(world)
    assert (await replay(world)).state is DeadLetterState.OPEN, "the channel is still off"
    again = await stored(world, letter.id)
    assert ["not configured" in reason for reason in (again.reason, *(each.reason for each in again.earlier))] == [
        True,
        True,
    ]
    world.app._channels["fake"] = world.channel
    assert (await replay(world, letter.id)).state is DeadLetterState.REPLAYED
    await world.settle()
    assert world.texts == ["You said: hello"]
    assert (await world.entry(made)).state is EntryState.CONSUMED
    await world.app.intake.receive(Inbound(event=made).model_dump_json().encode())
    await world.settle()
    assert world.texts == ["You said: hello"], "a later delivery finds it in its mailbox"
    assert len((await stored(world, letter.id)).actions) == 2


async def test_a_person_who_was_told_of_it_hears_that_it_is_handled_now(world: World) -> None:
    await an_event_of_a_channel_that_is_off(world)
    world.app._channels["fake"] = world.channel
    await world.pass_(seconds=61)
    assert "".join(world.texts) == words.COULD_NOT
    await replay(world)
    await world.settle()
    assert "".join(world.texts) == words.COULD_NOT + words.HANDLED_NOW + "You said: hello"


async def test_an_event_that_fails_in_its_turn_is_the_same_dead_letter(world: World) -> None:
    await an_event_of_a_channel_that_is_off(world)
    letter = await only(world)
    world.app._channels["fake"] = world.channel
    world.assistant.troubles.append(Permanent("no such model"))
    await replay(world)
    await world.settle()
    again = await only(world)
    assert (again.id, again.about, again.reason, again.failures) == (letter.id, About.ENTRY, "no such model", 2)
    await replay(world)
    await world.settle()
    assert world.texts[-1] == "You said: hello"


async def test_an_event_that_came_in_meanwhile_closes_its_letter_and_has_one_turn(world: World) -> None:
    made = await an_event_of_a_channel_that_is_off(world)
    world.app._channels["fake"] = world.channel
    await world.app.intake.receive(Inbound(event=made).model_dump_json().encode())
    assert (await replay(world)).state is DeadLetterState.REPLAYED
    await world.settle()
    assert sum(text == "You said: hello" for text in world.texts) == 1


async def test_of_two_operators_who_take_an_event_in_one_wins(world: World) -> None:
    await an_event_of_a_channel_that_is_off(world)
    world.app._channels["fake"] = world.channel
    id = (await only(world)).id
    both, second = asyncio.Barrier(2), world.instance()
    for app in (world.app, second):
        meet_before_the_first(app.store, Step.ARRIVE, Step.DISCARD, barrier=both)
    outcomes = await asyncio.gather(
        world.app.dead_letter_actions.replay(id, who="first"),
        second.dead_letter_actions.discard(id, who="second"),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, MovedOn) for outcome in outcomes) == 1
    [won] = [outcome for outcome in outcomes if isinstance(outcome, Summary)]
    await world.settle()
    assert ("You said: hello" in world.texts) is (won.state is DeadLetterState.REPLAYED)
    await second.close()


async def test_an_unreadable_event_stays_with_both_reasons(world: World) -> None:
    made = world.say("").model_copy(update={"kind": EventKind.UNREADABLE, "reason": "no text"})
    await world.app.intake.receive(Inbound(event=made).model_dump_json().encode())
    await world.settle()
    assert (await replay(world)).state is DeadLetterState.OPEN
    letter = await only(world)
    assert (letter.about, letter.failures, letter.reason) == (About.EVENT, 2, "no text")
    assert "".join(world.texts) == words.UNREADABLE, "told once"


async def test_the_store_is_away_and_nothing_changes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await a_dead_message(world)
    id = (await only(world)).id

    async def away(**_: Any) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(world.app.store, "batch", away)
        with pytest.raises(StoreUnavailable):
            await replay(world, id)
    assert (await only(world)).id == id


# --- messages of a queue --------------------------------------------------------------------------------------


async def test_garbage_of_a_queue_stays_with_both_reasons(world: World) -> None:
    await world.app.intake.receive(b"garbage \xff")
    assert (await replay(world)).state is DeadLetterState.OPEN
    letter = await only(world)
    assert (letter.about, letter.failures) == (About.MESSAGE, 2)
    assert "not one of our events" in letter.reason


async def test_an_event_that_an_older_version_could_not_read_is_taken_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world.say("hello")
    body = Inbound(event=made).model_dump_json().encode()
    await world.app.dead_letters.unroutable(body, reason="not one of our events")
    assert (await replay(world)).state is DeadLetterState.REPLAYED
    await world.settle()
    assert world.texts == ["You said: hello"]


async def test_a_bell_is_rung_again(world: World) -> None:
    await world.arrive("hello")
    for message in await world.app.broker.receive(queue=TURNS, limit=1):
        await world.app.broker.complete(step=Step.SETTLE_TURNS, message=message)
    body = world.bell().model_dump_json().encode()
    await world.app.dead_letters.unroutable(body, reason="unknown field", queue=TURNS)
    assert (await replay(world)).state is DeadLetterState.REPLAYED
    await world.settle()
    assert world.texts == ["You said: hello"]


async def test_garbage_that_comes_again_after_its_letter_was_closed_is_recorded_again(world: World) -> None:
    await world.app.intake.receive(b"garbage")
    id = (await only(world)).id
    await world.app.dead_letter_actions.discard(id, who=WHO)
    await world.app.intake.receive(b"garbage")
    letter = await only(world)
    assert (letter.id, letter.failures) == (id, 2)


# --- reminders ------------------------------------------------------------------------------------------------


async def a_stuck_reminder(world: World, **options: str) -> UserReminders:
    said = await world.arrive("hello")
    await world.settle()
    user = await world.app.people.recognise(said)
    assert user
    mine = UserReminders(
        store=world.app.store,
        clock=world.clock,
        tenant="main",
        user=user.id,
        address=address_of(said),
        time_zone="UTC",
    )
    await mine.set(key="k", text="stretch", due_at=world.in_(60), **options)
    world.app._channels["fake"] = None
    world.clock.pass_(seconds=61)
    await world.app.schedules.fire()
    return mine


async def test_a_reminder_is_told_when_its_channel_is_back(world: World) -> None:
    await a_stuck_reminder(world)
    letter = await only(world)
    assert (await replay(world)).about is About.REMINDER
    await world.app.schedules.fire()
    again = await only(world)
    assert (again.id, again.failures) == (letter.id, 2), "the channel was still off"
    world.app._channels["fake"] = world.channel
    await replay(world)
    await world.app.schedules.fire()
    await world.settle()
    assert world.texts[-1] == "You said: stretch"
    assert await world.app.schedules.fire() == 0
    assert (await world.app.dead_letter_actions.list()).letters == ()


async def test_a_reminder_that_was_changed_meanwhile_is_left_alone(world: World) -> None:
    mine = await a_stuck_reminder(world)
    [reminder] = await mine.list()
    await mine.change(id=reminder.id, due_at=world.in_(3600))
    with pytest.raises(MovedOn):
        await replay(world)
    discarded = await world.app.dead_letter_actions.discard((await only(world)).id, who=WHO)
    assert discarded.state is DeadLetterState.DISCARDED
    assert [left.id for left in await mine.list()] == [reminder.id]


async def test_a_reminder_is_over_when_it_is_discarded(world: World) -> None:
    mine = await a_stuck_reminder(world)
    await world.app.dead_letter_actions.discard((await only(world)).id, who=WHO)
    assert await mine.list() == []

"""Schedules: what is due becomes an event once, and what can never fire holds nothing up."""

from __future__ import annotations

from datetime import timedelta

from shared.conversation.dead_letter_records import About
from shared.conversation.mailbox import address_of
from shared.conversation.reminders import RING, UserReminders
from shared.ports import Create, Partition, Replace
from shared.steps import Step
from tests.fakes.world import World


async def reminders(world: World) -> UserReminders:
    """The reminders of someone who has talked to the assistant."""
    event = await world.arrive("hello", n="first")
    await world.settle()
    user = await world.app.people.recognise(event)
    assert user is not None
    return UserReminders(
        store=world.app.store,
        clock=world.clock,
        tenant="main",
        user=user.id,
        address=address_of(event),
        time_zone="UTC",
    )


async def test_a_reminder_is_told_once_and_moves_on(world: World) -> None:
    mine = await reminders(world)
    await mine.set(key="k", text="stretch", due_at=world.in_(60))
    assert await world.app.schedules.fire() == 0
    world.clock.pass_(seconds=61)
    assert await world.app.schedules.fire() == 1
    assert await world.app.schedules.fire() == 0
    await world.settle()
    [_, question] = world.assistant.asked
    assert question.reminder
    assert world.texts[-1] == "You said: stretch"


async def test_a_crash_between_firing_and_moving_on_tells_it_once(world: World) -> None:
    mine = await reminders(world)
    await mine.set(key="k", text="stretch", due_at=world.in_(60))
    world.clock.pass_(seconds=61)
    [document] = (await world.app.store.due(now=world.clock.now(), rings=(RING,))).documents
    await world.app.schedules.fire()
    await world.app.store.batch(
        step=Step.SET_REMINDER,
        partition=document.partition,
        operations=[Replace(document.id, document.body, str(int(document.etag) + 1))],
    )
    assert await world.app.schedules.fire() == 1
    await world.settle()
    assert world.texts.count("You said: stretch") == 1


async def test_a_repeating_reminder_comes_again(world: World) -> None:
    mine = await reminders(world)
    await mine.set(key="k", text="daily", due_at=world.in_(60), repeat="1 12 * * *")
    for _ in range(3):
        world.clock.pass_(seconds=timedelta(days=1).total_seconds())
        await world.app.schedules.fire()
        await world.settle()
    assert world.texts.count("You said: daily") == 3


async def test_one_that_can_never_fire_is_a_dead_letter_and_holds_nothing_up(world: World) -> None:
    mine = await reminders(world)
    broken = {"kind": "reminder", "wake_at": world.in_(1).isoformat(), "ring": RING, "text": 7}
    await world.app.store.batch(
        step=Step.SET_REMINDER, partition=Partition("main", "someone"), operations=[Create("reminder:x", broken)]
    )
    await mine.set(key="k", text="stretch", due_at=world.in_(60))
    world.clock.pass_(seconds=61)
    await world.app.schedules.fire()
    await world.settle()
    assert world.texts[-1] == "You said: stretch"
    [letter] = await world.letters()
    assert letter.about is About.REMINDER
    assert await world.app.schedules.fire() == 0


async def test_a_reminder_for_a_channel_that_is_gone_is_a_dead_letter(world: World) -> None:
    mine = await reminders(world)
    await mine.set(key="k", text="stretch", due_at=world.in_(60))
    world.app._channels["fake"] = None
    world.clock.pass_(seconds=61)
    await world.app.schedules.fire()
    [letter] = await world.letters()
    assert "not configured" in letter.reason

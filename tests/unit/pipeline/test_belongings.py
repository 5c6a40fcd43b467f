"""Linking two apps: what the second one's user had belongs to the first from then on."""

from __future__ import annotations

from shared.conversation.mailbox import address_of
from shared.conversation.reminders import UserReminders
from shared.messages import InboundEvent
from shared.ports import Reminders
from tests.fakes.world import World


async def user_of(world: World, event: InboundEvent) -> str:
    user = await world.app.people.recognise(event)
    assert user is not None
    return user.id


def reminders(world: World, event: InboundEvent, user: str) -> Reminders:
    return UserReminders(
        store=world.app.store, clock=world.clock, tenant="main", user=user, address=address_of(event), time_zone="UTC"
    )


async def test_reminders_and_memories_move_along(world: World) -> None:
    ann = await world.arrive("hello", n=1, chat="a", sender="ann")
    other = await world.arrive("hello", n=2, chat="b", sender="other")
    await world.settle()
    before = await user_of(world, other)
    await reminders(world, other, before).set(key="k", text="stretch", due_at=world.in_(600))
    await world.app.memory(before).remember(key="cat", text="my cat is called Tom")

    await world.arrive("/link", n=3, chat="a", sender="ann")
    await world.settle()
    code = "".join(world.texts).split("`")[1]
    await world.arrive(f"/link {code}", n=4, chat="b", sender="other")
    await world.settle()

    now = await user_of(world, other)
    assert now == await user_of(world, ann)
    assert [reminder.text for reminder in await reminders(world, ann, now).list()] == ["stretch"]
    assert [memo.text for memo in await world.app.memory(now).recall()] == ["my cat is called Tom"]
    assert await world.app.memory(before).recall() == []

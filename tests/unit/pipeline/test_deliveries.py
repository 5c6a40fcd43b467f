"""Deliveries: part after part, each recorded, none sent twice without saying so."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.conversation.outbox_records import PageItem, PageRole
from shared.conversation.states import PartState
from shared.messages import NotTaken, OutcomeUnknown, Refused
from shared.pipeline import words
from shared.ports import Sending
from shared.topology import OUTBOUND, TURNS
from tests.fakes.channel import FakeChannel
from tests.fakes.world import World

LONG = "x" * 100
"""With what the fake assistant puts before it: three parts."""


async def test_parts_go_out_in_order_and_are_recorded(world: World) -> None:
    await world.arrive(LONG)
    await world.settle()
    assert "".join(world.texts) == f"You said: {LONG}"
    parts = await world.parts()
    assert [part.state for part in parts] == [PartState.SENT] * 3
    assert [part.provider_id for part in parts] == ["m1", "m2", "m3"]
    assert len({part.key for part in parts}) == 3
    box = await world.outbox()
    assert (box.parts, box.settled, box.lease.until) == (3, 3, None)


async def test_what_the_platform_did_not_take_goes_out_later_without_a_label(world: World) -> None:
    world.channel.outcomes.append(NotTaken("429", retry_after=7))
    await world.arrive("hello")
    await world.settle()
    assert world.texts == []
    assert [part.state for part in await world.parts()] == [PartState.PENDING]
    assert (await world.outbox()).not_before == world.in_(7)
    await world.ring(OUTBOUND, world.bell())
    await world.settle()
    assert world.texts == [], "nothing leaves before the platform allows it"
    await world.pass_(seconds=8)
    assert [(sent.text, sent.repeat) for sent in world.channel.sent] == [("You said: hello", False)]


async def test_an_unknown_outcome_is_sent_again_and_says_so(world: World) -> None:
    world.channel.after_taking.append(OutcomeUnknown("lost response"))
    await world.arrive("hello")
    await world.settle()
    await world.pass_(seconds=5)
    assert [(sent.text, sent.repeat) for sent in world.channel.sent] == [
        ("You said: hello", False),
        ("You said: hello", True),
    ]
    first, second = world.channel.sent
    assert first.key == second.key


async def test_a_repeat_stays_one_when_the_platform_then_says_to_wait(world: World) -> None:
    world.channel.outcomes.extend([OutcomeUnknown("lost"), NotTaken("429")])
    await world.arrive("hello")
    await world.settle()
    await world.pass_(seconds=5)
    await world.pass_(seconds=60)
    assert [sent.repeat for sent in world.channel.sent] == [True]


async def test_a_part_found_leaving_by_another_epoch_is_a_repeat(world: World) -> None:
    await world.arrive("hello")
    [bell] = await world.app.broker.receive(queue=TURNS, limit=1)
    await world.handle(TURNS, bell.body)
    frozen = asyncio.Event()
    entered = asyncio.Event()

    class Frozen(FakeChannel):
        async def send(self, **arguments: object) -> str:
            entered.set()
            await frozen.wait()
            return "late"

    other = world.instance()
    other._channels["fake"] = Frozen()
    first = asyncio.create_task(other.deliveries.answer(world.bell()))
    await entered.wait()
    epoch = (await world.outbox()).lease.epoch
    world.clock.pass_(seconds=31)
    await world.app.deliveries.answer(world.bell())
    assert [(sent.text, sent.repeat) for sent in world.channel.sent] == [("You said: hello", True)]
    assert (await world.outbox()).lease.epoch == epoch + 1
    frozen.set()
    await first
    [part] = await world.parts()
    assert part.provider_id == "m1", "the late write was refused"
    await other.close()


async def test_a_refusal_takes_the_rest_of_its_message_and_not_the_next(world: World) -> None:
    world.channel.outcomes.extend([None, Refused("chat not found")])
    await world.arrive(LONG, n=1)
    await world.settle()
    states = [part.state for part in await world.parts()]
    assert states[:3] == [PartState.SENT, PartState.REFUSED, PartState.DROPPED]
    [letter] = await world.letters()
    assert "chat not found" in letter.reason
    assert "".join(world.texts[1:]) == words.NOT_DELIVERED
    await world.arrive("next", n=2)
    await world.settle()
    assert world.texts[-1] == "You said: next"


async def test_trouble_with_a_notice_makes_no_notice(world: World) -> None:
    world.channel.outcomes.extend([Refused("blocked")] * 10)
    await world.arrive("hello")
    await world.settle()
    letters = await world.letters()
    assert len(letters) == 2, "the reply, and the notice about it"
    assert (await world.outbox()).settled == (await world.outbox()).parts
    assert world.texts == []


async def test_given_up_without_knowing(world: World) -> None:
    world.channel.outcomes.extend([OutcomeUnknown("time-out")] * 5)
    await world.arrive("hello")
    await world.settle()
    for _ in range(8):
        await world.pass_(seconds=301)
    [part, *_] = await world.parts()
    assert part.state is PartState.UNCERTAIN
    assert "".join(world.texts) == words.MAYBE_DELIVERED


async def test_the_refusal_of_a_repeat_says_nothing_of_the_first_send(world: World) -> None:
    world.channel.outcomes.extend([OutcomeUnknown("time-out"), Refused("blocked")])
    await world.arrive("hello")
    await world.settle()
    await world.pass_(seconds=5)
    [part, *_] = await world.parts()
    assert part.state is PartState.UNCERTAIN
    [letter] = await world.letters()
    assert "blocked" in letter.reason
    assert "".join(world.texts) == words.MAYBE_DELIVERED


async def test_not_taken_for_a_day_is_given_up(world: World) -> None:
    world.channel.outcomes.extend([NotTaken("down")] * 2)
    await world.arrive("hello")
    await world.settle()
    await world.pass_(seconds=timedelta(hours=25).total_seconds())
    assert (await world.parts())[0].state is PartState.REFUSED
    assert len(await world.letters()) == 1


async def test_other_chats_do_not_wait(world: World) -> None:
    world.channel.outcomes.append(NotTaken("429", retry_after=60))
    await world.arrive("one", n=1, chat="a")
    await world.settle()
    await world.arrive("two", n=2, chat="b")
    await world.settle()
    assert world.texts == ["You said: two"]


@pytest.mark.parametrize("chats", [1, 3])
async def test_what_is_left_when_the_time_is_over_is_rung_for(world: World, chats: int) -> None:
    world.settings.__dict__["drain_seconds"] = 0.0
    for n in range(chats):
        await world.arrive(LONG, n=n, chat=f"c{n}")
    await world.settle()
    assert len(world.texts) == 3 * chats


async def test_the_page_is_written_with_the_next_number(tmp_path: object) -> None:
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    world = World(tmp_path, channel=FakeChannel(sending=Sending.PAGE))
    await world.arrive("hello", n=1)
    await world.arrive("/help", n=2)
    await world.settle()
    found = await world.app.store.query(partition=world.partition().key, kind="page")
    items = [PageItem.model_validate(document.body) for document in found]
    assert [item.n for item in items] == list(range(1, len(items) + 1))
    assert [item.role for item in items[:2]] == [PageRole.PERSON, PageRole.PERSON]
    assert [item.text for item in items if item.role is PageRole.ASSISTANT] == ["You said: hello"]
    assert (await world.outbox()).published == len(items)
    assert world.channel.sent == []
    await world.close()

"""Replays of replies that could not be delivered: they go out with the rest of their message, and say if they may be a repeat."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.conversation.dead_letter_records import About
from shared.conversation.partition import Transaction
from shared.conversation.states import PartState
from shared.messages import (
    MovedOn,
    NotTaken,
    OutcomeUnknown,
    Refused,
)
from shared.pipeline import words
from shared.steps import Step
from shared.topology import OUTBOUND
from tests.fakes.dead_letters import (
    LONG,
    lose_the_bells_of_replays,
    only,
    replay,
    stored,
)
from tests.fakes.world import World


async def test_a_replayed_part_goes_out_with_the_rest_of_its_message(world: World) -> None:
    world.channel.outcomes.extend([None, Refused("chat not found")])
    await world.arrive(LONG)
    await world.settle()
    before = await world.parts()
    world.channel.sent.clear()
    assert (await replay(world)).about is About.PART
    assert await world.settle() == [OUTBOUND]
    assert "".join(world.texts) == f"You said: {LONG}"[40:]
    assert [(sent.key, sent.repeat) for sent in world.channel.sent] == [(part.key, False) for part in before[1:3]]
    after = await world.parts()
    assert [part.state for part in after[1:3]] == [PartState.MOVED] * 2
    assert all(part.ttl for part in after[1:3])
    box = await world.outbox()
    assert (box.settled, box.parts, box.wake_at) == (len(after), len(after), None)


async def test_a_part_that_may_have_arrived_says_so_when_it_is_replayed(world: World) -> None:
    world.channel.outcomes.extend([OutcomeUnknown("time-out")] * 5)
    await world.arrive("hello")
    await world.settle()
    for _ in range(8):
        await world.pass_(seconds=301)
    world.channel.sent.clear()
    await replay(world)
    await world.settle()
    assert [(sent.text, sent.repeat) for sent in world.channel.sent] == [("You said: hello", True)]


async def test_a_part_whose_only_unknown_outcome_was_its_last_says_so_too(world: World) -> None:
    world.channel.outcomes.extend([NotTaken("down"), OutcomeUnknown("time-out")])
    await world.arrive("hello")
    await world.settle()
    await world.pass_(seconds=timedelta(hours=25).total_seconds())
    assert (await world.parts())[0].state is PartState.UNCERTAIN
    world.channel.sent.clear()
    await replay(world)
    await world.settle()
    assert [(sent.text, sent.repeat) for sent in world.channel.sent] == [("You said: hello", True)]


async def test_a_part_whose_bell_was_lost_is_rung_for_by_the_sweeper(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.channel.outcomes.append(Refused("chat not found"))
    await world.arrive("hello")
    await world.settle()
    await lose_the_bells_of_replays(world, monkeypatch)
    await replay(world)
    assert await world.settle() == []
    await world.pass_(seconds=61)
    assert world.texts[-1] == "You said: hello"


async def test_a_part_that_is_refused_again_is_the_same_dead_letter_and_no_news(world: World) -> None:
    world.channel.outcomes.extend([None, Refused("chat not found")])
    await world.arrive(LONG)
    await world.settle()
    letter = await only(world)
    for n in (2, 3):
        world.channel.outcomes.append(Refused(f"no, for the {n}th time"))
        await replay(world)
        await world.settle()
        again = await only(world)
        assert (again.id, again.failures) == (letter.id, n)
    assert [failure.reason for failure in (await stored(world, letter.id)).earlier] == [
        "chat not found",
        "no, for the 2th time",
    ]
    assert "".join(world.texts[1:]) == words.NOT_DELIVERED, "told once"
    world.channel.sent.clear()
    await replay(world)
    await world.settle()
    assert "".join(world.texts) == f"You said: {LONG}"[40:]


async def test_replaying_a_part_that_has_been_sent_again_is_refused(world: World) -> None:
    world.channel.outcomes.append(Refused("chat not found"))
    await world.arrive("hello")
    await world.settle()
    letter = await only(world)
    part = await world.partition().part(1)
    assert part
    transaction = Transaction()
    transaction.save(part, part.record.with_(state=PartState.MOVED))
    await world.partition().commit(Step.REPLAY, transaction)
    with pytest.raises(MovedOn):
        await replay(world, letter.id)

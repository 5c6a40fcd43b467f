"""People: who may talk, how the owner is found, and how two apps become one person."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.access.linking import new_code, plain
from shared.access.records import Role
from shared.pipeline import words
from tests.fakes.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    await made.close()


async def said(world: World, text: str, *, n: int, sender: str = "ann", **changes: object) -> str:
    """What the assistant answers to a text."""
    world.channel.sent.clear()
    await world.arrive(text, n=n, chat=f"chat-{sender}", sender=sender, **changes)
    await world.settle()
    return "".join(world.texts)


async def test_anyone_may_talk_where_it_is_open(world: World) -> None:
    assert await said(world, "hello", n=1) == "You said: hello"
    user = await world.app.people.recognise(world.say("", sender="ann"))
    assert user is not None
    assert (user.name, user.role) == ("Ann", Role.MEMBER)


async def test_who_is_blocked_hears_nothing(world: World) -> None:
    await said(world, "hello", n=1)
    user = await world.app.people.recognise(world.say("", sender="ann"))
    assert user is not None
    await world.app.people.change(user.id, lambda known: known.with_(role=Role.BLOCKED))
    assert await said(world, "hello", n=2) == ""
    assert await said(world, "/help", n=3) == ""


async def test_the_first_with_the_printed_code_is_the_owner(world: World) -> None:
    code = await world.app.linking.claim_code()
    assert await said(world, "/claim wrong", n=1) == words.WRONG_CLAIM
    assert not await world.app.linking.claimed()
    assert await said(world, f"/claim {code.lower()}", n=2) == words.CLAIMED
    assert await said(world, f"/claim {code}", n=3, sender="bob") == words.ALREADY_CLAIMED
    ann = await world.app.people.recognise(world.say("", sender="ann"))
    bob = await world.app.people.recognise(world.say("", sender="bob"))
    assert ann is not None
    assert ann.role is Role.OWNER
    assert bob is not None
    assert bob.role is Role.MEMBER
    assert await world.app.linking.claimed()


async def test_a_code_links_two_identities_once(world: World) -> None:
    await said(world, "hello", n=1, sender="ann")
    await said(world, "hello", n=2, sender="ann-elsewhere")
    answer = await said(world, "/link", n=3, sender="ann")
    code = answer.split("`")[1]
    assert await said(world, f"/link {code}", n=4, sender="ann") == words.ALREADY_LINKED
    assert await said(world, f"/link {code}", n=5, sender="ann-elsewhere") == words.LINKED
    assert await said(world, f"/link {code}", n=6, sender="eve") == words.WRONG_CODE
    ann = await world.app.people.recognise(world.say("", sender="ann"))
    same = await world.app.people.recognise(world.say("", sender="ann-elsewhere"))
    assert ann == same
    assert ann is not None
    assert len(ann.identities) == 2


async def test_a_second_delivery_of_the_same_link_is_no_second_use(world: World) -> None:
    await said(world, "hello", n=1, sender="ann")
    code = (await said(world, "/link", n=2, sender="ann")).split("`")[1]
    await said(world, "hello", n=3, sender="bob")
    event = world.say(f"/link {code}", n=4, sender="bob")
    first = await world.app.linking.spend(event, code)
    again = await world.app.linking.spend(event, code)
    assert first.outcome == again.outcome == "done"
    assert first.moved_from == again.moved_from != "", "what belonged to the other is moved also after a crash"


async def test_a_code_is_good_for_ten_minutes(world: World) -> None:
    await said(world, "hello", n=1, sender="ann")
    code = (await said(world, "/link", n=2, sender="ann")).split("`")[1]
    world.clock.pass_(seconds=601)
    assert await said(world, f"/link {code}", n=3, sender="bob") == words.WRONG_CODE


async def test_strangers_are_asked_to_link_where_that_is_the_rule(tmp_path: Path) -> None:
    world = World(tmp_path, PRAXOS_ACCESS="linked")
    assert await said(world, "hello", n=1, sender="eve") == words.REFUSED
    assert world.assistant.asked == []
    assert await said(world, "/link", n=2, sender="eve") == words.LINK_NEEDS_PERSON
    code = await world.app.linking.claim_code()
    await said(world, f"/claim {code}", n=3, sender="ann")
    assert await said(world, "hello", n=4, sender="ann") == "You said: hello"
    link = (await said(world, "/link", n=5, sender="ann")).split("`")[1]
    await said(world, f"/link {link}", n=6, sender="ann-elsewhere")
    assert await said(world, "hello", n=7, sender="ann-elsewhere") == "You said: hello"
    await world.close()


async def test_strangers_in_a_group_are_ignored_silently(tmp_path: Path) -> None:
    world = World(tmp_path, PRAXOS_ACCESS="linked")
    assert await said(world, "hello", n=1, sender="eve", group=True) == ""
    await world.close()


async def test_the_allow_list_names_channel_and_id(tmp_path: Path) -> None:
    world = World(tmp_path, PRAXOS_ACCESS="allowlist", PRAXOS_ALLOWED="fake:ann, fake:bob")
    assert await said(world, "hello", n=1, sender="ann") == "You said: hello"
    assert await said(world, "hello", n=2, sender="eve") == words.REFUSED
    await world.close()


def test_codes_are_random_and_forgiving_to_type() -> None:
    assert len({new_code() for _ in range(1000)}) == 1000
    assert plain(" abcd-2345 ") == "ABCD2345"

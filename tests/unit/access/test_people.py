"""People: who may talk, how the owner is found, and how two apps become one person."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from shared.access.linking import new_code, plain
from shared.access.people import POINTER_SECONDS
from shared.access.records import Pointer, Role, User
from shared.pipeline import words
from shared.ports import Document, Partition
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


# --- what is known by heart, while others change it ---


def reads(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the documents that are read from now on, as they are read."""
    seen: list[str] = []
    read = world.app.store.read

    async def counted(*, partition: Partition, id: str) -> Document | None:
        seen.append(id)
        return await read(partition=partition, id=id)

    monkeypatch.setattr(world.app.store, "read", counted)
    return seen


async def elsewhere(world: World, sender: str, change: Callable[[User], User]) -> None:
    """Another process changes a user."""
    other = world.instance()
    user = await other.people.recognise(world.say("", sender=sender))
    assert user is not None
    await other.people.change(user.id, change)
    await other.close()


async def test_the_second_message_needs_no_pointer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await said(world, "hello", n=1)
    seen = reads(world, monkeypatch)
    assert await said(world, "hello you", n=2) == "You said: hello you"
    assert (seen.count("pointer"), seen.count("user")) == (0, 1)


async def test_a_command_looks_once_who_it_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await said(world, "hello", n=1)
    seen = reads(world, monkeypatch)
    await said(world, "/help", n=2)
    assert (seen.count("pointer"), seen.count("user")) == (0, 1)


async def test_a_role_that_another_process_takes_away_acts_at_the_next_message(world: World) -> None:
    assert await said(world, "hello", n=1) == "You said: hello"
    await elsewhere(world, "ann", lambda known: known.with_(role=Role.BLOCKED))
    assert await said(world, "hello", n=2) == ""
    assert await said(world, "/status", n=3) == ""
    await elsewhere(world, "ann", lambda known: known.with_(role=Role.MEMBER))
    assert await said(world, "hello", n=4) == "You said: hello"


async def test_whom_another_process_links_is_the_other_at_the_next_message(world: World) -> None:
    await said(world, "hello", n=1, sender="ann")
    await said(world, "hello", n=2, sender="bob")
    other = world.instance()
    ann = await other.people.recognise(world.say("", sender="ann"))
    assert ann is not None
    code = await other.linking.issue(ann)
    await other.linking.spend(world.say("", n=3, sender="bob"), code)
    await other.people.change(ann.id, lambda known: known.with_(role=Role.BLOCKED))
    await other.close()

    assert await said(world, "hello", n=4, sender="bob") == "", "he is a person now who is blocked"
    found = await world.app.people.recognise(world.say("", sender="bob"))
    assert found is not None
    assert found.id == ann.id


async def test_a_link_that_breaks_off_between_its_writes_lets_nobody_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies before, or right after, the pointer is moved: its memory is not relied on in either case."""
    await said(world, "hello", n=1, sender="ann")
    await said(world, "hello", n=2, sender="bob")
    other = world.instance()
    ann = await other.people.recognise(world.say("", sender="ann"))
    bob = await other.people.recognise(world.say("", sender="bob"))
    assert ann is not None
    assert bob is not None
    identity = bob.identities[0]
    with monkeypatch.context() as patched:
        patched.setattr(Pointer, "model_dump", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await other.people.point(identity, ann.id)
    still = await world.app.people.recognise(world.say("", sender="bob"))
    assert still is not None
    assert still.id == bob.id

    await other.people.point(identity, ann.id)
    await other.close()
    moved = await world.app.people.recognise(world.say("", sender="bob"))
    assert moved is not None
    assert moved.id == ann.id


async def test_who_is_linked_back_is_known_by_heart_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for n, sender in enumerate(("ann", "bob")):
        await said(world, "hello", n=n, sender=sender)
    users = [await world.app.people.recognise(world.say("", sender=sender)) for sender in ("ann", "bob")]
    ann, bob = (user for user in users if user)
    for n, user in enumerate((ann, bob)):
        code = await world.app.linking.issue(user)
        await world.app.linking.spend(world.say("", n=f"link {n}", sender="bob"), code)
    await said(world, "hello", n=10, sender="bob")
    seen = reads(world, monkeypatch)
    found = await world.app.people.recognise(world.say("", sender="bob"))
    assert found is not None
    assert found.id == bob.id
    assert seen == ["user"]


async def test_it_is_known_for_five_minutes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await said(world, "hello", n=1)
    seen = reads(world, monkeypatch)
    world.clock.pass_(seconds=POINTER_SECONDS - 1)
    await said(world, "hello", n=2)
    assert "pointer" not in seen
    world.clock.pass_(seconds=1)
    await said(world, "hello", n=3)
    assert seen.count("pointer") == 1


async def test_only_so_many_are_known(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.access.people.POINTERS", 3)
    for n in range(5):
        await said(world, "hello", n=n, sender=f"person-{n}")
    assert world.app.people._pointers.held == 3
    assert await said(world, "hello", n=9, sender="person-0") == "You said: hello"


async def test_a_stranger_is_not_remembered_as_one(tmp_path: Path) -> None:
    world = World(tmp_path, PRAXOS_ACCESS="linked")
    assert await said(world, "hello", n=1) == words.REFUSED
    await world.instance().people.admit(world.say("", sender="ann"))
    assert await said(world, "hello", n=2) == "You said: hello"
    await world.close()

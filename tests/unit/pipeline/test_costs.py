"""What a plain turn costs: operations on the store, and messages sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.messages import Attachment
from tests.fakes.world import World

STORE = 12
SENDS = 3
"""Beside the webhook's own, which brought the event: four in all."""


class Counted:
    """Counts calls by their names and passes them on."""

    def __init__(self, counted: Any) -> None:
        self._counted = counted
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._counted, name)
        if not callable(found) or name == "close":
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self.calls.append(f"{name} {named.get('id') or named.get('kind') or named.get('step', '')}")
            return found(*arguments, **named)

        return call


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    made.app.store = Counted(made.app.store)
    yield made
    await made.close()


async def turn(world: World, n: int) -> list[str]:
    """The store operations of one message, from its arrival until its reply is sent."""
    before = len(world.app.store.calls)
    await world.arrive(f"hello {n}", n=n)
    rung = await world.settle()
    assert len(rung) <= SENDS
    assert world.texts[-1] == f"You said: hello {n}"
    return world.app.store.calls[before:]


async def test_a_plain_turn_stays_within_its_budget(world: World) -> None:
    await turn(world, 1)
    for n in (2, 3, 4):
        calls = await turn(world, n)
        assert len(calls) <= STORE, calls


async def test_a_process_that_knows_nobody_reads_twice_more(world: World) -> None:
    """Another process took the turn before: it looks up whose the identity is, and what was said."""
    await turn(world, 1)
    fresh = world.instance()
    fresh.store = Counted(fresh.store)
    world.app, before = fresh, world.app
    try:
        calls = await turn(world, 2)
        assert len(calls) <= STORE + 2, calls
    finally:
        world.app = before
        await fresh.close()


async def test_every_read_of_the_budget_is_there_to_be_counted(world: World) -> None:
    await turn(world, 1)
    calls = await turn(world, 2)
    assert sum(call.startswith("batch") for call in calls) == 5
    assert "read user" in calls, "whether they may is never known by heart"


async def test_a_common_question_needs_no_turn(world: World) -> None:
    await turn(world, 1)
    await world.arrive("What can you do?", n=2)
    assert await world.settle() == ["outbound"]
    assert "/help" in "".join(world.texts)
    assert [question.text for question in world.assistant.asked] == ["hello 1"]


async def test_a_question_about_a_file_is_none_of_the_common_ones(world: World) -> None:
    picture = Attachment(name="a.txt", media_type="text/plain", file="none")
    await world.arrive("help", n=1, attachments=(picture,))
    assert "turns" in await world.settle()

"""What calls itself repeatable is: a second call with the same key leaves everything as one call does."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.ports import Effect, Repeatable, ToolError
from shared.registry import REGISTRY
from tests.fakes.tools import Desk, tools

REPEATABLE = {"remember", "set_reminder", "change_reminder", "cancel_reminder", "set_time_zone", "write_file"}
"""Each has a test below."""


def test_these_and_no_others_claim_it() -> None:
    found = tools(Path("nowhere"), *REGISTRY["tools"])
    assert {name for name, tool in found.items() if isinstance(tool, Repeatable) and tool.repeatable} == REPEATABLE
    assert all(found[name].effect is Effect.WRITE for name in REPEATABLE)


async def test_a_fact_is_remembered_once(desk: Desk) -> None:
    for arguments in ({"text": "I like tea."}, {"key": "home", "text": "I live in Berlin."}):
        for _ in range(2):
            await desk.call("remember", call_key=str(arguments), **arguments)
    assert [memo.text for memo in desk.memory.memos.values()] == ["I like tea.", "I live in Berlin."]


async def test_forgetting_twice_can_hit_what_was_to_stay(desk: Desk) -> None:
    """Why `forget` makes no such claim."""
    await desk.call("remember", text="green tea")
    await desk.call("remember", text="green tea in summer")
    for _ in range(2):
        await desk.call("forget", call_key="one call", query="green tea")
    assert desk.memory.memos == {}


async def test_a_time_zone_is_set_again(desk: Desk) -> None:
    first, second = [(await desk.call("set_time_zone", call_key="k", time_zone="Tokyo")).text for _ in range(2)]
    assert first == second
    assert set(desk.preferences.zones) == {"Asia/Tokyo"}


async def test_the_person_gets_the_file_of_the_call_that_was_recorded(desk: Desk) -> None:
    _, second = [await desk.call("write_file", call_key="k", name="a.txt", content="milk") for _ in range(2)]
    [attachment] = second.attachments
    assert await desk.files.get(id=attachment.file) == b"milk"


@pytest.mark.parametrize("when", [{"in_minutes": 10}, {"at": "13:10"}, {"at": "2026-03-01T13:10"}])
async def test_a_reminder_is_set_once_also_when_its_time_has_passed_meanwhile(
    desk: Desk, when: dict[str, object]
) -> None:
    await desk.call("set_reminder", call_key="k", text="tea", **when)
    before = await desk.reminders().list()
    for minutes in (5, 60):
        desk.clock.pass_(seconds=60 * minutes)
        assert "The reminder is set: “tea”" in (await desk.call("set_reminder", call_key="k", text="tea", **when)).text
    assert await desk.reminders().list() == before
    assert len(before) == 1


async def test_a_reminder_is_changed_once(desk: Desk) -> None:
    await desk.call("set_reminder", text="tea", in_minutes=10)
    await desk.call("set_reminder", text="tea time", in_minutes=5)
    change = {"reminder": "2", "text": "coffee", "in_minutes": 1}  # which makes it number 1
    first = await desk.call("change_reminder", call_key="k", **change)
    changed = await desk.reminders().list()
    desk.clock.pass_(seconds=30)
    second = await desk.call("change_reminder", call_key="k", **change)
    assert "“coffee”" in first.text
    assert "“coffee”" in second.text
    assert await desk.reminders().list() == changed, "neither another one nor a later time"


async def test_a_reminder_is_cancelled_once(desk: Desk) -> None:
    for minutes, text in enumerate(("tea time", "tea", "tea later"), 1):
        await desk.call("set_reminder", text=text, in_minutes=minutes)
    for reminder in ("1", "tea"):
        said = [(await desk.call("cancel_reminder", call_key=reminder, reminder=reminder)).text for _ in range(2)]
        assert said[0] == said[1]
        assert said[0].startswith("The reminder is cancelled: “tea")
    assert len(await desk.reminders().list()) == 1


async def test_another_call_is_another_one(desk: Desk) -> None:
    await desk.call("set_reminder", text="tea", in_minutes=10)
    await desk.call("cancel_reminder", reminder="tea")
    with pytest.raises(ToolError, match="no open reminders"):
        await desk.call("cancel_reminder", reminder="tea")

"""Reminders by tool. The clock stands at 13:00 in Berlin on Sunday, 1 March 2026."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from pydantic import ValidationError

from shared.ports import Reminder, ToolError
from tests.fakes.clock import START
from tests.fakes.tools import Desk


async def open_(desk: Desk) -> Sequence[Reminder]:
    return await desk.reminders().list()


async def test_in_some_minutes(desk: Desk) -> None:
    said = await desk.text("set_reminder", text="stretch", in_minutes=1)
    [reminder] = await open_(desk)
    assert (reminder.text, reminder.due_at) == ("stretch", START + timedelta(minutes=1))
    assert "“stretch”, Sunday, 1 March 2026, 13:01 (in 1 minute)" in said
    assert "Europe/Berlin" in said
    assert reminder.id in said


@pytest.mark.parametrize(
    ("at", "hours"),
    [
        ("2026-03-01T14:00", 1),
        ("2026-03-01 14:00", 1),
        ("2026-03-01T14:00+00:00", 2),
        ("2026-03-01T14:00:00Z", 2),
        ("14:00", 1),
        ("12:00", 23),
        ("3pm", 2),
        ("2026-07-01T13:00", 122 * 24 - 1),
    ],
)
async def test_at_a_time(desk: Desk, at: str, hours: int) -> None:
    await desk.call("set_reminder", text="tea", at=at)
    assert [reminder.due_at for reminder in await open_(desk)] == [START + timedelta(hours=hours)]


async def test_a_time_that_the_clocks_skip_is_said(desk: Desk) -> None:
    said = await desk.text("set_reminder", text="tea", at="2026-03-29T02:30")
    assert "29 March 2026, 03:30" in said
    assert "02:30 does not exist on that day" in said


async def test_a_time_that_the_clocks_repeat_is_said(desk: Desk) -> None:
    assert "happens twice" in await desk.text("set_reminder", text="tea", at="2026-10-25T02:30")


async def test_a_repeat_starts_at_its_first_time(desk: Desk) -> None:
    said = await desk.text("set_reminder", text="stand-up", repeat="0 9 * * 1-5")
    [reminder] = await open_(desk)
    assert (reminder.due_at, reminder.repeat) == (START + timedelta(hours=20), "0 9 * * 1-5")
    assert "At 09:00 on Monday through Friday" in said


async def test_a_repeat_can_start_later(desk: Desk) -> None:
    await desk.call("set_reminder", text="stand-up", repeat="0 9 * * 1-5", at="2026-04-01T09:00")
    assert (await open_(desk))[0].due_at.isoformat() == "2026-04-01T07:00:00+00:00"


async def test_the_same_call_sets_one(desk: Desk) -> None:
    for _ in range(2):
        await desk.call("set_reminder", call_key="the call", text="tea", in_minutes=5)
    assert len(await open_(desk)) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "Say when"),
        ({"at": "", "in_minutes": 0, "repeat": ""}, "Say when"),
        ({"at": "2026-03-01T12:59"}, "already past: it is Sunday, 1 March 2026, 13:00 now"),
        ({"at": "2026-03-01T12:00Z"}, "already past"),
        ({"at": "1999-01-01T00:00"}, "already past"),
        ({"at": "2050-01-01T00:00"}, "ten years"),
        ({"at": "9999-12-31T23:59"}, "outside of the years"),
        ({"at": "tomorrow"}, "not a time that I can read"),
        ({"at": "2026-03-02"}, "no time of day"),
        ({"at": "14:00", "in_minutes": 5}, "not both"),
        ({"repeat": "daily"}, "five fields"),
        ({"repeat": "61 * * * *"}, "cannot be read"),
        ({"repeat": "0 0 31 2 *"}, "cannot be read"),
        ({"repeat": "never"}, "Say when"),
    ],
)
async def test_what_is_no_time_is_refused_in_words(desk: Desk, arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ToolError, match=words):
        await desk.call("set_reminder", text="tea", **arguments)
    assert await open_(desk) == []


@pytest.mark.parametrize("arguments", [{"in_minutes": -1}, {"in_minutes": 1e12}, {"in_minutes": "soon"}, {"text": ""}])
async def test_arguments_are_checked(desk: Desk, arguments: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        await desk.call("set_reminder", **{"text": "tea", "in_minutes": 5, **arguments})


@pytest.fixture
async def three(desk: Desk) -> Desk:
    await desk.call("set_reminder", text="Call Bob about the car", in_minutes=30)
    await desk.call("set_reminder", text="call Alice", in_minutes=20)
    await desk.call("set_reminder", text="stretch", in_minutes=10, repeat="*/30 * * * *")
    return desk


async def test_they_are_listed_with_the_next_due_first(three: Desk) -> None:
    lines = (await three.text("list_reminders")).splitlines()
    assert lines[0] == "Open reminders, times in Europe/Berlin:"
    assert [line.split("”")[0] for line in lines[1:]] == ["1. “stretch", "2. “call Alice", "3. “Call Bob about the car"]
    assert "(in 20 minutes)" in lines[2]
    assert "repeats: Every 30th minute of every hour (`*/30 * * * *`)" in lines[1]


async def test_there_may_be_none(desk: Desk) -> None:
    assert await desk.text("list_reminders") == "There are no open reminders."
    with pytest.raises(ToolError, match="no open reminders"):
        await desk.call("cancel_reminder", reminder="tea")


async def test_a_long_list_is_cut(desk: Desk) -> None:
    for number in range(60):
        await desk.call("set_reminder", text=f"{number} " + "x" * 900, in_minutes=number + 1)
    said = await desk.text("list_reminders")
    assert len(said.encode()) < 8 * 1024
    assert "And 20 more" in said


@pytest.mark.parametrize("wanted", ["car", "BOB", "call bob", "“Call Bob about the car”", "3", "#3", "number 3", 3])
async def test_one_is_picked_by_its_words_or_its_number(three: Desk, wanted: str | int) -> None:
    assert "“Call Bob about the car”" in await three.text("cancel_reminder", reminder=wanted)
    assert [reminder.text for reminder in await open_(three)] == ["stretch", "call Alice"]


async def test_one_is_picked_by_its_id(three: Desk) -> None:
    reminder = (await open_(three))[1]
    assert "call Alice" in await three.text("cancel_reminder", reminder=reminder.id)


async def test_a_whole_text_wins_over_its_words(three: Desk) -> None:
    await three.call("set_reminder", text="call", in_minutes=5)
    assert "“call”" in await three.text("cancel_reminder", reminder="call")


async def test_what_is_meant_by_more_than_one_is_asked(three: Desk) -> None:
    with pytest.raises(ToolError) as caught:
        await three.call("cancel_reminder", reminder="call")
    for reminder in (await open_(three))[1:]:
        assert reminder.text in str(caught.value)
        assert reminder.id in str(caught.value)
    assert "stretch" not in str(caught.value)
    assert len(await open_(three)) == 3


async def test_what_is_not_there_is_answered_with_what_is(three: Desk) -> None:
    for wanted in ("dentist", "4", "0"):
        with pytest.raises(ToolError, match="No open reminder matches") as caught:
            await three.call("cancel_reminder", reminder=wanted)
        assert "call Alice" in str(caught.value)


async def test_what_is_given_is_changed(three: Desk) -> None:
    said = await three.text("change_reminder", reminder="alice", text="call Alice and Eve", at="15:00")
    assert "“call Alice and Eve”, Sunday, 1 March 2026, 15:00" in said
    await three.call("change_reminder", reminder="car", in_minutes=300)
    await three.call("change_reminder", reminder="stretch", repeat="0 10 * * *")
    found = {reminder.text: reminder for reminder in await open_(three)}
    assert found["call Alice and Eve"].due_at == START + timedelta(hours=2)
    assert found["Call Bob about the car"].due_at == START + timedelta(hours=5)
    assert found["stretch"].due_at == START + timedelta(hours=21)
    assert found["stretch"].repeat == "0 10 * * *"


async def test_a_repetition_ends_only_when_that_is_said(three: Desk) -> None:
    await three.call("change_reminder", reminder="stretch", text="walk", repeat="")
    await three.call("change_reminder", reminder="walk", in_minutes=5)
    assert (await open_(three))[0].repeat == "*/30 * * * *"
    await three.call("change_reminder", reminder="walk", repeat="never")
    assert (await open_(three))[0].repeat == ""


async def test_a_change_needs_something_to_change(three: Desk) -> None:
    with pytest.raises(ToolError, match="Say what to change"):
        await three.call("change_reminder", reminder="stretch")
    with pytest.raises(ToolError, match="already past"):
        await three.call("change_reminder", reminder="stretch", at="2026-03-01T10:00")

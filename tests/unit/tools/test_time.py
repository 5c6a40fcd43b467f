"""What time it is, here and elsewhere. The clock stands at 12:00 UTC on Sunday, 1 March 2026."""

from __future__ import annotations

import pytest

from shared.ports import ToolError
from tests.fakes.tools import Desk


async def test_the_time_here_and_elsewhere(desk: Desk) -> None:
    assert await desk.text("current_time") == "It is Sunday, 1 March 2026, 13:00 in Europe/Berlin (UTC+01:00)."
    assert "21:00 in Asia/Tokyo (UTC+09:00)" in await desk.text("current_time", time_zone="Tokyo")
    assert "07:00 in America/New_York" in await desk.text("current_time", time_zone="New York")
    assert "13:00 in Europe/Berlin" in await desk.text("current_time", time_zone="")


@pytest.mark.parametrize(
    ("time", "source", "target", "said"),
    [
        ("15:00", "Berlin", "Tokyo", "Sunday, 1 March 2026, 15:00 in Europe/Berlin (UTC+01:00) is Sunday, 1 March 2026, 23:00 in Asia/Tokyo"),
        ("9 pm", "New York", "Berlin", "is Monday, 2 March 2026, 03:00 in Europe/Berlin"),
        ("2026-07-01T12:00", "London", "UTC", "is Wednesday, 1 July 2026, 11:00 in UTC"),
        ("2026-07-01T12:00+00:00", "Berlin", "Berlin", "14:00 in Europe/Berlin (UTC+02:00) is"),
        ("2026-03-29T02:30", "Berlin", "UTC", "02:30 does not exist on that day"),
        ("2026-11-01T01:30", "New York", "UTC", "happens twice"),
        ("12:00", "UTC+5", "UTC", "is Sunday, 1 March 2026, 07:00 in UTC"),
    ],
)  # fmt: skip
async def test_conversion(desk: Desk, time: str, source: str, target: str, said: str) -> None:
    assert said in await desk.text("convert_time", time=time, from_zone=source, to_zone=target)


async def test_a_zone_without_a_day_is_today_there(desk: Desk) -> None:
    desk.clock.pass_(seconds=11 * 3600)  # 23:00 in UTC, tomorrow in Tokyo
    assert "Monday, 2 March 2026, 09:00 in Asia/Tokyo" in await desk.text(
        "convert_time", time="9:00", from_zone="Tokyo", to_zone="UTC"
    )


async def test_the_person_s_zone_is_kept_by_its_iana_name(desk: Desk) -> None:
    said = await desk.text("set_time_zone", time_zone="new york")
    assert desk.preferences.zones == ["America/New_York"]
    assert "America/New_York (UTC-05:00)" in said
    assert "07:00" in said


async def test_what_is_unknown_is_said_in_words(desk: Desk) -> None:
    with pytest.raises(ToolError, match="no time zone called 'Gotham'"):
        await desk.call("set_time_zone", time_zone="Gotham")
    with pytest.raises(ToolError, match="no time zone called 'Gotham'"):
        await desk.call("current_time", time_zone="Gotham")
    with pytest.raises(ToolError, match="not a time that I can read"):
        await desk.call("convert_time", time="later", from_zone="UTC", to_zone="UTC")
    assert desk.preferences.zones == []

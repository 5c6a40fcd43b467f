"""Repeats across the days when the clocks change, in both directions and on two continents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cron import CronError, explain, next_due


def series(expression: str, zone: str, start: datetime, count: int) -> list[str]:
    """The next times, each computed anew from the one before, as local time with its offset."""
    found, at = [], start
    for _ in range(count):
        at = next_due(expression, time_zone=zone, after=at)
        found.append(at.astimezone(ZoneInfo(zone)).strftime("%d %H:%M%z"))
    return found


GAPS = [("Europe/Berlin", datetime(2026, 3, 28, 12, tzinfo=UTC), 28, "+0100", "+0200")]
GAPS += [("America/New_York", datetime(2026, 3, 7, 12, tzinfo=UTC), 7, "-0500", "-0400")]


@pytest.mark.parametrize(("zone", "start", "day", "before", "after"), GAPS)
def test_a_skipped_time_of_day_comes_due_right_after_the_gap(
    zone: str, start: datetime, day: int, before: str, after: str
) -> None:
    expected = [f"{day + 1:02} 03:00{after}", f"{day + 2:02} 02:30{after}"]
    assert series("30 2 * * *", zone, start, 2) == expected


@pytest.mark.parametrize(("zone", "start", "day", "before", "after"), GAPS)
def test_other_times_of_day_stay_across_the_gap(zone: str, start: datetime, day: int, before: str, after: str) -> None:
    first = [f"{day:02} 09:00{before}"] if zone == "America/New_York" else []
    assert series("0 9 * * *", zone, start, 2 + len(first)) == [
        *first,
        f"{day + 1:02} 09:00{after}",
        f"{day + 2:02} 09:00{after}",
    ]


@pytest.mark.parametrize(("zone", "start", "day", "before", "after"), GAPS)
def test_an_hourly_repeat_goes_by_the_time_that_passes_across_the_gap(
    zone: str, start: datetime, day: int, before: str, after: str
) -> None:
    midnight = datetime(start.year, 3, day + 1, 0, 30, tzinfo=ZoneInfo(zone))
    assert series("0 * * * *", zone, midnight, 3) == [
        f"{day + 1:02} 01:00{before}",
        f"{day + 1:02} 03:00{after}",
        f"{day + 1:02} 04:00{after}",
    ]


def test_a_repeated_time_of_day_comes_due_once_in_berlin() -> None:
    start = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert series("30 2 * * *", "Europe/Berlin", start, 2) == ["25 02:30+0200", "26 02:30+0100"]


def test_a_repeated_time_of_day_comes_due_once_in_new_york() -> None:
    start = datetime(2026, 10, 31, 12, tzinfo=UTC)
    assert series("30 1 * * *", "America/New_York", start, 2) == ["01 01:30-0400", "02 01:30-0500"]


def test_inside_the_second_pass_of_the_repeated_hour_the_first_one_is_over() -> None:
    second_pass = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 for the second time
    assert series("30 2 * * *", "Europe/Berlin", second_pass, 1) == ["26 02:30+0100"]


def test_an_hourly_repeat_comes_due_in_both_passes() -> None:
    start = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    assert series("0 * * * *", "Europe/Berlin", start, 3) == ["25 02:00+0200", "25 02:00+0100", "25 03:00+0100"]


def test_half_an_hour_is_a_gap_too() -> None:
    start = datetime(2026, 10, 3, 0, tzinfo=UTC)
    assert series("15 2 * * *", "Australia/Lord_Howe", start, 2) == ["04 02:30+1100", "05 02:15+1100"]


@given(
    start=st.datetimes(
        datetime.fromisoformat("2024-01-01T00:00"), datetime.fromisoformat("2030-01-01T00:00"), timezones=st.just(UTC)
    ),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "UTC"]),
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
)
def test_a_daily_repeat_comes_due_once_a_local_day(start: datetime, zone: str, minute: int, hour: int) -> None:
    times = [start]
    for _ in range(5):
        times.append(next_due(f"{minute} {hour} * * *", time_zone=zone, after=times[-1]))
    assert all(later > earlier for earlier, later in pairwise(times))
    days = [at.astimezone(ZoneInfo(zone)).date() for at in times[1:]]
    assert [later - earlier for earlier, later in pairwise(days)] == [timedelta(days=1)] * 4


def test_the_next_time_is_strictly_later_also_within_a_second() -> None:
    nine = datetime(2026, 7, 1, 9, tzinfo=UTC)
    assert next_due("0 9 * * *", time_zone="UTC", after=nine) == nine + timedelta(days=1)
    assert next_due("0 9 * * *", time_zone="UTC", after=nine - timedelta(microseconds=1)) == nine


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "daily",
        "* * * *",
        "* * * * * *",
        "61 * * * *",
        "* 24 * * *",
        "*/0 * * * *",
        "5-1 * * * *",
        "0 0 31 2 *",
        "* * */20 * 1L",
        "9" * 5000 + " * * * *",
        "١ * * * *",
    ],
)
def test_what_is_no_repeat_is_refused_in_words(expression: str) -> None:
    with pytest.raises(CronError):
        next_due(expression, time_zone="UTC", after=datetime(2026, 1, 1, tzinfo=UTC))


@given(st.text(alphabet="0123456789*/-,#LW MONFEB", max_size=24))
def test_no_text_does_worse_than_being_refused(expression: str) -> None:
    try:
        next_due(expression, time_zone="Europe/Berlin", after=datetime(2026, 1, 1, tzinfo=UTC))
        assert explain(expression)
    except CronError:
        pass


def test_a_repeat_is_told_in_words() -> None:
    assert explain("0 9 * * 1-5") == "At 09:00 on Monday through Friday"

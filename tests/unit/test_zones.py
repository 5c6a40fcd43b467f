"""Time zones by the names people use, and the hours that clocks skip and repeat."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from shared import zones
from shared.zones import TimeError, ZoneError, find, label, parse, resolve, spoken

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Tokyo", "Asia/Tokyo"),
        ("new york", "America/New_York"),
        ("New_York", "America/New_York"),
        ("Berlin, Germany", "Europe/Berlin"),
        ("São Paulo", "America/Sao_Paulo"),
        ("San Francisco", "America/Los_Angeles"),
        ("Mumbai", "Asia/Kolkata"),
        ("Indianapolis", "America/Indiana/Indianapolis"),
        ("PST", "America/Los_Angeles"),
        ("EST", "America/New_York"),
        ("Eastern Time", "America/New_York"),
        ("Tokyo time", "Asia/Tokyo"),
        ("UTC", "UTC"),
        (" utc ", "UTC"),
        ("UTC+2", "Etc/GMT-2"),
        ("GMT−03:00", "Etc/GMT+3"),
    ],
)
def test_a_zone_is_found_by_what_people_call_it(name: str, zone: str) -> None:
    assert find(name).key == zone


@pytest.mark.parametrize(
    "name", ["", "Gotham", "UTC+25", "UTC+5:30", "../../etc/passwd", "/etc/localtime", "a\0b", "\ud800"]
)
def test_an_unknown_zone_is_refused_in_words(name: str) -> None:
    with pytest.raises(ZoneError, match="There is no time zone called"):
        find(name)


def test_an_unknown_zone_brings_what_comes_near() -> None:
    with pytest.raises(ZoneError, match=r"Did you mean .*Europe/Berlin"):
        find("Berlinn")


def test_every_place_that_is_known_by_another_name_is_in_a_zone_that_exists() -> None:
    for zone, places in zones._PLACES.items():
        ZoneInfo(zone)
        for place in places.split("|"):
            assert find(place).key == zone, f"{place} is taken by another zone"


@pytest.mark.parametrize(
    ("zone", "skipped", "at"),
    [
        (BERLIN, datetime.fromisoformat("2026-03-29T02:30"), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        (NEW_YORK, datetime.fromisoformat("2026-03-08T02:30"), datetime(2026, 3, 8, 7, 30, tzinfo=UTC)),
    ],
)
def test_a_skipped_time_counts_on_from_before_the_gap_and_says_so(
    zone: ZoneInfo, skipped: datetime, at: datetime
) -> None:
    moment = resolve(skipped, zone)
    assert moment.at == at
    assert "02:30 does not exist" in moment.note
    assert "it is 03:30" in moment.note


@pytest.mark.parametrize(
    ("zone", "repeated", "first"),
    [
        (BERLIN, datetime.fromisoformat("2026-10-25T02:30"), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (NEW_YORK, datetime.fromisoformat("2026-11-01T01:30"), datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
    ],
)
def test_of_a_repeated_time_the_first_is_taken_and_it_is_said(
    zone: ZoneInfo, repeated: datetime, first: datetime
) -> None:
    moment = resolve(repeated, zone)
    assert moment.at == first
    assert "happens twice" in moment.note


def test_an_ordinary_time_needs_no_words() -> None:
    assert resolve(datetime.fromisoformat("2026-07-01T12:00"), BERLIN) == zones.Moment(
        datetime(2026, 7, 1, 10, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("2026-03-29T14:30", datetime.fromisoformat("2026-03-29T14:30")),
        ("2026-03-29 14:30:05", datetime.fromisoformat("2026-03-29T14:30:05")),
        ("2026-03-29T14:30Z", datetime(2026, 3, 29, 14, 30, tzinfo=UTC)),
        ("14:30", time(14, 30)),
        ("9:05", time(9, 5)),
        ("9.05", time(9, 5)),
        ("15", time(15)),
        ("3pm", time(15)),
        ("3:30 p.m.", time(15, 30)),
        ("12 am", time(0)),
        ("12pm", time(12)),
        ("noon", time(12)),
        ("Midnight", time(0)),
    ],
)
def test_times_are_read(text: str, meaning: datetime | time) -> None:
    assert parse(text) == meaning


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "25:00",
        "24",
        "13pm",
        "0am",
        "9:60",
        "2026-02-30T10:00",
        "2026-03-29",
        "0001-01-01T00:00",
        "9999-12-31T23:59",
    ],
)
def test_what_is_no_time_is_refused_in_words(text: str) -> None:
    with pytest.raises(TimeError):
        parse(text)


def test_a_local_time_is_spoken_with_its_zone() -> None:
    local = datetime(2026, 3, 1, 9, 5, tzinfo=BERLIN)
    assert spoken(local) == "Sunday, 1 March 2026, 09:05"
    assert label(local) == "Europe/Berlin (UTC+01:00)"
    assert label(datetime(2026, 3, 1, tzinfo=ZoneInfo("Etc/GMT-2"))) == "UTC+02:00"
    assert label(datetime(2026, 3, 1, tzinfo=ZoneInfo("Asia/Kolkata"))) == "Asia/Kolkata (UTC+05:30)"

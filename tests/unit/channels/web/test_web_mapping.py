"""From the page's JSON to an event."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.channels.web.gate import Person
from shared.channels.web.mapping import TEXT_LENGTH, client_id, language, to_event
from shared.messages import EventKind, InboundEvent, Unreadable

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD = {"id": "4f9c2c1e-0000-4000-8000-1234567890ab", "text": "hello"}


def read(body: Any, person: str = "mia") -> InboundEvent:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return to_event(raw, person=Person(person, "Mia"), tenant="main", account="local", language="de", received_at=NOW)


def test_a_message() -> None:
    event = read(GOOD)
    assert event.conversation == "main:web:local:mia"
    assert (event.kind, event.text, event.sender.external_id, event.sender.name) == (
        EventKind.MESSAGE,
        "hello",
        "mia",
        "Mia",
    )
    assert client_id(event.id) == GOOD["id"]


def test_the_same_message_is_the_same_event_but_not_another_persons() -> None:
    assert read(GOOD).id == read(GOOD).id != read(GOOD, person="noa").id


def test_a_press() -> None:
    event = read({"id": "p", "text": "Yes", "button": "answer:1"})
    assert (event.kind, event.button, event.text) == (EventKind.PRESS, "answer:1", "Yes")


def test_files_are_those_that_were_uploaded() -> None:
    event = read(
        {"id": "f", "files": [{"id": "abc-1", "name": "plan.pdf", "media_type": "application/pdf", "size": 9}]}
    )
    (attachment,) = event.attachments
    assert (attachment.file, attachment.ref, attachment.name, attachment.size) == ("abc-1", "", "plan.pdf", 9)


@pytest.mark.parametrize(
    ("zone", "known"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("", ""),
        ("Mars/Base", ""),
        ("../../etc/passwd", ""),
        ("Europe", ""),
        ("\x00", ""),
    ],
)
def test_the_browsers_time_zone(zone: str, known: str) -> None:
    assert read({**GOOD, "time_zone": zone}).sender.time_zone == known


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"[" * 100_000,
        b'{"id": "a", "text": "\\ud800"}',
        {},
        {"text": "no id"},
        {"id": "", "text": "a"},
        {"id": "a b", "text": "a"},
        {"id": "x" * 65, "text": "a"},
        {"id": 7, "text": "a"},
        {"id": "a", "text": None},
        {"id": "a", "text": ["a"]},
        {"id": "a", "text": " \n "},
        {"id": "a", "text": "\x00"},
        {"id": "a", "text": "x" * (TEXT_LENGTH + 1)},
        {"id": "a", "text": "a", "button": "x" * 65},
        {"id": "a", "text": "a", "more": 1},
        {"id": "a", "files": [{"id": "../../secret"}]},
        {"id": "a", "files": [{"id": "a", "media_type": "text/html\r\nX: 1"}]},
        {"id": "a", "files": [{"id": "a"}] * 11},
    ],
)
def test_what_cannot_be_read_is_said_to_be_so(body: Any) -> None:
    with pytest.raises(Unreadable):
        read(body)


def test_null_bytes_are_left_out() -> None:
    assert read({"id": "a", "text": "a\x00b"}).text == "ab"


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_no_json_breaks_it(body: Any) -> None:
    with pytest.raises(Unreadable):
        read(body)


@given(st.binary())
def test_no_bytes_break_it(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read(body)


@pytest.mark.parametrize(
    ("header", "expected"),
    [("", ""), ("de-AT,de;q=0.9", "de-AT"), ("en;q=0.8", "en"), ("*", ""), ("x" * 99, ""), ("a\r\nb", "")],
)
def test_the_language(header: str, expected: str) -> None:
    assert language(header) == expected

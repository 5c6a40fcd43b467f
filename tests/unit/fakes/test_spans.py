"""What the tests of traces look with: it finds an orphan, a second beginning, and a message with two traces."""

from __future__ import annotations

import pytest

from tests.fakes.spans import Seen, names, of_event, orphans, roots

WHOLE = (
    Seen("t1", "1", "", "webhook", attributes={"praxos.event": "e"}),
    Seen("t1", "2", "1", "intake"),
    Seen("t2", "3", "", "webhook", attributes={"praxos.event": "other"}),
)


def test_a_whole_trace_has_one_beginning_and_no_orphan() -> None:
    found = of_event(WHOLE, "e")
    assert (names(found), roots(found), orphans(found)) == (["intake", "webhook"], ["webhook"], [])


def test_a_parent_that_is_missing_or_in_another_trace_makes_an_orphan() -> None:
    assert orphans([*WHOLE, Seen("t1", "4", "9", "turn")]) == ["turn"]
    assert orphans([*WHOLE, Seen("t1", "4", "3", "turn")]) == ["turn"], "3 is of another trace"


def test_a_stage_that_begins_anew_is_a_second_root() -> None:
    assert roots([*of_event(WHOLE, "e"), Seen("t1", "4", "", "turn")]) == ["webhook", "turn"]


def test_one_event_in_two_traces_is_an_error() -> None:
    with pytest.raises(AssertionError, match="2 traces"):
        of_event([*WHOLE, Seen("t3", "5", "", "webhook", attributes={"praxos.event": "e"})], "e")

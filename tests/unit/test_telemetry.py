"""Telemetry: traces that go on, and logs that show fields and nothing else."""

from __future__ import annotations

import json

import pytest

from shared import telemetry


def test_a_child_is_in_the_same_trace() -> None:
    parent = telemetry.new_traceparent()
    child = telemetry.child_of(parent)
    assert child != parent
    assert child.split("-")[1] == parent.split("-")[1]


@pytest.mark.parametrize("broken", ["", "garbage", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", "00-abc-def-01"])
def test_a_malformed_parent_starts_a_fresh_trace(broken: str) -> None:
    assert telemetry.child_of(broken).startswith("00-")
    assert telemetry.child_of(broken).split("-")[1] != "0" * 32


def test_a_line_is_json_with_the_bound_fields(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure_logs(level="INFO")
    log = telemetry.logger("test")
    with telemetry.bind(conversation="c", event="e"), telemetry.bind(event="f"):
        log.info("something", extra={"fields": {"count": 3}})
    log.debug("nothing")
    line = json.loads(capsys.readouterr().err)
    assert (line["message"], line["conversation"], line["event"], line["count"]) == ("something", "c", "f", 3)

"""Logs: lines of JSON that show fields, ids and where something went wrong, and nothing that somebody wrote."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from shared import telemetry
from shared.messages import Refused

TRACE = f"00-{'a1' * 16}-{'b2' * 8}-01"
CANARY = "the-words-of-a-person"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Lines go where they went before: what pytest captures here is closed after the test."""
    root = logging.getLogger(telemetry.LOGGER)
    handlers, propagate, level = root.handlers[:], root.propagate, root.level
    yield
    root.handlers[:], root.propagate = handlers, propagate
    root.setLevel(level)


class Person(BaseModel):
    age: int


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    line: dict[str, str] = json.loads(capsys.readouterr().err.splitlines()[-1])
    return line


def test_a_line_is_json_with_the_bound_fields(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure_logs(level="INFO")
    log = telemetry.logger("test")
    with telemetry.bind(conversation="c", event="e"), telemetry.bind(event="f"):
        log.info("something", extra={"fields": {"count": 3}})
    log.debug("nothing")
    line = json.loads(capsys.readouterr().err)
    assert (line["message"], line["conversation"], line["event"], line["count"]) == ("something", "c", "f", 3)


def test_a_line_names_the_trace_that_was_carried_here(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure_logs(level="INFO")
    with telemetry.bind(traceparent=TRACE):
        telemetry.logger("test").info("something")
    line = last_line(capsys)
    assert (line["trace_id"], line["span_id"]) == ("a1" * 16, "b2" * 8)
    assert "traceparent" not in line


def test_an_exception_shows_where_it_was_and_not_the_words_that_it_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure_logs(level="INFO")
    try:
        try:
            Person.model_validate({"age": CANARY})
        except ValueError as wrong:  # whose words quote it
            raise RuntimeError(f"could not read {CANARY}") from wrong
    except RuntimeError:
        telemetry.logger("test").exception("a bug")
    line = last_line(capsys)
    assert CANARY not in json.dumps(line)
    assert "RuntimeError\ncaused by\n" in line["exception"]
    assert "ValidationError" in line["exception"]
    assert "test_logs.py" in line["exception"]


def test_the_words_of_our_own_errors_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure_logs(level="INFO")
    try:
        raise Refused("the platform said no")
    except Refused:
        telemetry.logger("test").exception("refused")
    assert last_line(capsys)["exception"].endswith("shared.messages.Refused: the platform said no")


def test_a_user_is_a_hash_that_is_another_one_elsewhere() -> None:
    assert telemetry.hashed("main", "ann") == telemetry.hashed("main", "ann")
    assert telemetry.hashed("main", "ann") != telemetry.hashed("other", "ann")
    assert "ann" not in telemetry.hashed("main", "ann")

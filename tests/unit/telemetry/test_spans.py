"""Spans: what they belong to, what records carry on, and what a span never shows."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import StatusCode

from shared import telemetry
from shared.messages import Bell
from shared.telemetry import spans
from shared.telemetry.recording import Early, OpenTelemetrySpans
from tests.unit.telemetry.conftest import Recorded

ELSEWHERE = Bell(tenant="main", conversation="c", traceparent=f"00-{'a1' * 16}-{'b2' * 8}-01", tracestate="v=1")
NOWHERE = Bell(tenant="main", conversation="c")


def test_where_nobody_records_a_record_is_passed_on_as_it_is() -> None:
    with telemetry.span("anything", parent=ELSEWHERE) as current:
        current.set({"a": 1})
        current.failed("Trouble")
        assert telemetry.handed_on(ELSEWHERE) is ELSEWHERE
        assert telemetry.carried(ELSEWHERE) == {"traceparent": ELSEWHERE.traceparent, "tracestate": "v=1"}
        assert telemetry.started()["traceparent"].startswith("00-")
    assert not telemetry.enabled()


def test_a_span_goes_on_where_a_record_says(recorded: Recorded) -> None:
    with telemetry.span("turn", parent=ELSEWHERE, kind="consumer"):
        passed_on = telemetry.handed_on(ELSEWHERE)
    turn = recorded.span("turn")
    assert f"{turn.context.trace_id:032x}" == "a1" * 16
    assert f"{turn.parent.span_id:016x}" == "b2" * 8
    assert turn.parent.is_remote
    assert passed_on.traceparent == f"00-{'a1' * 16}-{turn.context.span_id:016x}-01"
    assert passed_on.tracestate == "v=1"


def test_a_span_without_a_parent_belongs_to_the_one_that_is_open(recorded: Recorded) -> None:
    with telemetry.span("outer", root=True), telemetry.span("inner"):
        pass
    assert recorded.span("inner").parent.span_id == recorded.span("outer").context.span_id


def test_a_record_of_another_trace_keeps_its_place(recorded: Recorded) -> None:
    """Two messages in one invocation: what is rung for the one must not land in the trace of the other."""
    with telemetry.span("turn", root=True):
        assert telemetry.handed_on(ELSEWHERE) is ELSEWHERE
        assert telemetry.handed_on(NOWHERE).traceparent == spans.here()


@pytest.mark.parametrize("broken", ["", "garbage", f"00-{'0' * 32}-{'b2' * 8}-01", f"01-{'a1' * 16}-{'b2' * 8}-01"])
def test_where_a_record_carries_nothing_that_can_be_read_a_trace_begins(recorded: Recorded, broken: str) -> None:
    parent = ELSEWHERE.model_copy(update={"traceparent": broken})
    with telemetry.span("around", root=True), telemetry.span("turn", parent=parent):
        pass
    assert recorded.span("turn").parent is None
    assert recorded.span("turn").context.trace_id != recorded.span("around").context.trace_id


def test_a_root_is_linked_with_what_it_does_not_trust(recorded: Recorded) -> None:
    with telemetry.span("webhook", root=True, links=[telemetry.FromOutside(ELSEWHERE.traceparent), NOWHERE]):
        pass
    webhook = recorded.span("webhook")
    assert webhook.parent is None
    assert [f"{link.context.trace_id:032x}" for link in webhook.links] == ["a1" * 16]


def test_a_wait_begins_before_its_span_is_made(recorded: Recorded) -> None:
    asked = datetime.now(UTC) - timedelta(days=1)
    with telemetry.span("answer", parent=ELSEWHERE, started_at=asked):
        pass
    answer = recorded.span("answer")
    assert answer.end_time - answer.start_time >= 86_400 * 1_000_000_000


def test_an_exception_shows_its_kind_and_not_its_words(recorded: Recorded) -> None:
    with pytest.raises(ValueError, match="canary"), telemetry.span("turn", root=True):
        raise ValueError("canary")
    turn = recorded.span("turn")
    assert turn.status.status_code is StatusCode.ERROR
    assert turn.attributes["error.type"] == "ValueError"
    assert "canary" not in turn.to_json()


def test_the_bound_ids_are_attributes_and_logs_name_the_span(recorded: Recorded) -> None:
    with telemetry.bind(event="e", conversation="c", tenant="main", user="hash"), telemetry.span("turn", root=True):
        assert telemetry.bound()["event"] == "e"
    assert dict(recorded.span("turn").attributes) == {
        "praxos.event": "e",
        "praxos.conversation": "c",
        "praxos.tenant": "main",
    }


class Kept(SpanProcessor):
    def __init__(self) -> None:
        self.names: list[str] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.names.append(span.name)


def test_what_ends_before_the_exporters_are_loaded_goes_first_and_once() -> None:
    early, kept = Early(), Kept()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(early)
    recorder = OpenTelemetrySpans(provider.get_tracer("test"))

    def end(name: str) -> None:
        with recorder.span(name, kind="internal", parent=None, root=True, links=(), started_at=None, attributes=None):
            pass

    for number in range(100):
        end(f"before {number}")
    ending = threading.Thread(target=lambda: [end(f"meanwhile {number}") for number in range(100)])
    ending.start()
    early.pass_on([kept])
    ending.join()
    end("after")
    assert kept.names[:100] == [f"before {number}" for number in range(100)]
    assert sorted(kept.names[100:-1]) == sorted(f"meanwhile {number}" for number in range(100))
    assert kept.names[-1] == "after"

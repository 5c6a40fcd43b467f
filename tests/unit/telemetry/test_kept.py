"""The file of spans: bounded in age and size, read across processes and along links, and never in anybody's way."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult

from shared import telemetry
from shared.exporters.local import SpansFile
from shared.telemetry import kept, spans
from shared.telemetry.recording import OpenTelemetrySpans
from shared.telemetry.settings import TelemetrySettings

HOUR = 3600 * 1_000_000_000
DAYS_OF_ROOM = {"keep_ns": 72 * HOUR, "most_bytes": 64_000_000}


def row(
    trace: str, id: str, *, parent: str = "", event: str = "", links: tuple[str, ...] = (), ended: int = 0
) -> kept.Row:
    at = ended or time.time_ns()
    return (trace, id, parent, f"span {id}", "internal", at - 1000, at, False, event, "c", 1, "{}", json.dumps(links))


def link_to(trace: str) -> str:
    return f"00-{trace}-{'b2' * 8}-01"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / kept.FILE


def test_what_opentelemetry_ends_is_read_as_it_was(path: Path) -> None:
    file = SpansFile(path=str(path), settings=TelemetrySettings())
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(file))
    spans.use(OpenTelemetrySpans(provider.get_tracer("test")))
    try:
        link = telemetry.FromOutside(link_to("a1" * 16))
        with (
            telemetry.bind(event="e", conversation="c"),
            telemetry.span("webhook", kind="server", root=True),
            telemetry.span("intake", links=[link], attributes={"n": 2}) as inner,
        ):
            inner.failed("Trouble")
    finally:
        spans.use(None)
    file.shutdown()
    [webhook, intake] = kept.of_events(path, ["e"])
    assert (webhook.name, webhook.kind, webhook.parent, webhook.failed) == ("webhook", "server", "", False)
    assert (intake.parent, intake.failed, intake.event, intake.conversation) == (webhook.id, True, "e", "c")
    assert dict(intake.attributes) == {"n": 2, "error.type": "Trouble"}
    assert intake.links == [link_to("a1" * 16)]
    assert intake.ended >= intake.started >= webhook.started
    assert kept.orphans([webhook, intake]) == []
    assert kept.orphans([intake]) == [intake]


def test_what_is_linked_with_an_event_is_found_in_both_directions(path: Path) -> None:
    a, b, c = "a1" * 16, "b2" * 16, "c3" * 16
    connection = kept.open_to_write(str(path))
    kept.write(
        connection,
        [row(a, "1", event="asks"), row(a, "2", links=(link_to(b),)), row(b, "3", event="answers"), row(c, "4")],
    )
    assert {span.trace for span in kept.of_events(path, ["asks"])} == {a, b}
    assert {span.trace for span in kept.of_events(path, ["answers"])} == {a, b}
    assert kept.of_events(path, ["nobody"]) == []


def test_there_is_nothing_to_read_where_there_is_no_file_or_an_empty_one(path: Path) -> None:
    assert kept.of_events(path, ["e"]) == []
    sqlite3.connect(path).close()
    path.touch()
    assert kept.of_events(path, ["e"]) == []


def test_old_spans_go(path: Path) -> None:
    connection = kept.open_to_write(str(path))
    old = time.time_ns() - 73 * HOUR
    kept.write(connection, [row("a1" * 16, "1", ended=old), row("b2" * 16, "2")])
    kept.prune(connection, **DAYS_OF_ROOM)
    assert [span.id for span in kept.of_traces(path, ["a1" * 16, "b2" * 16])] == ["2"]


def test_the_file_stays_as_small_as_it_was_said_and_the_newest_stay(path: Path) -> None:
    connection, most = kept.open_to_write(str(path)), 1_000_000
    sizes = []
    for batch in range(40):
        traces = [f"{batch * 1000 + number:032x}" for number in range(500)]
        kept.write(connection, [row(trace, trace[-16:], event=f"event {batch}") for trace in traces])
        kept.prune(connection, keep_ns=72 * HOUR, most_bytes=most)
        sizes.append(path.stat().st_size)
    assert max(sizes) < 2 * most
    assert len(kept.of_events(path, ["event 39"])) == 500
    assert kept.of_events(path, ["event 0"]) == []


def test_several_processes_write_at_once(path: Path) -> None:
    def write(process: int) -> None:
        connection = kept.open_to_write(str(path))
        for number in range(50):
            kept.write(connection, [row(f"{process:032x}", f"{number:016x}", event="e")])
            kept.prune(connection, **DAYS_OF_ROOM)
        connection.close()

    writers = [threading.Thread(target=write, args=(process,)) for process in range(4)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert len(kept.of_events(path, ["e"])) == 200


def test_a_file_that_cannot_be_written_is_let_go_of_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").write_text("no folder")
    file = SpansFile(path=str(tmp_path / "taken" / kept.FILE), settings=TelemetrySettings())
    assert file.export([]) is SpanExportResult.FAILURE


def test_a_file_of_another_version_is_begun_anew(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE span (other TEXT); PRAGMA user_version=99;")
    connection.close()
    kept.write(kept.open_to_write(str(path)), [row("a1" * 16, "1")])
    assert len(kept.of_traces(path, ["a1" * 16])) == 1

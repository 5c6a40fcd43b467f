"""To a file in the data folder, for `python -m local trace`. Written by OpenTelemetry's own thread, behind the messages."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode

from shared.ports import Parts
from shared.telemetry import kept, logger
from shared.telemetry.settings import TelemetrySettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

_log = logger("telemetry")


def build(parts: Parts) -> LocalExporter:
    """The file in the data folder. Raises SettingError where a setting is wrong."""
    return LocalExporter(
        spans_file=SpansFile(
            path=str(parts.settings.home / kept.FILE), settings=TelemetrySettings.from_environ(parts.environ)
        )
    )


class LocalExporter:
    """Implements `shared.ports.Exporter`. Metrics and logs are not kept: logs are on standard error already."""

    delay_seconds = 0.5

    def __init__(self, *, spans_file: SpansFile) -> None:
        self._file = spans_file

    def spans(self) -> SpanExporter:
        return self._file

    def metrics(self) -> None:
        return None

    def logs(self) -> None:
        return None


class SpansFile(SpanExporter):
    """Keeps spans, for so many hours and in so many bytes. Several processes may write to one file."""

    def __init__(self, *, path: str, settings: TelemetrySettings) -> None:
        self._path = path
        self._keep_ns = int(settings.keep_hours * 3600 * 1e9)
        self._most_bytes = int(settings.max_megabytes * 1e6)
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write spans down. What cannot be written is let go of: telemetry holds up nothing."""
        try:
            with self._lock:
                connection = self._connection = self._connection or kept.open_to_write(self._path)
                kept.write(connection, [_row(span) for span in spans])
                kept.prune(connection, keep_ns=self._keep_ns, most_bytes=self._most_bytes)
        except (sqlite3.Error, OSError) as error:
            _log.warning("spans were not kept", extra={"fields": {"error": type(error).__name__}})
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection:
                self._connection.close()
                self._connection = None


def _row(span: ReadableSpan) -> kept.Row:
    context, parent = span.context, span.parent
    assert context
    attributes = dict(span.attributes or {})
    links = [f"00-{one.context.trace_id:032x}-{one.context.span_id:016x}-01" for one in span.links]
    return (
        f"{context.trace_id:032x}",
        f"{context.span_id:016x}",
        f"{parent.span_id:016x}" if parent else "",
        span.name,
        span.kind.name.lower(),
        span.start_time or 0,
        span.end_time or 0,
        span.status.status_code is StatusCode.ERROR,
        str(attributes.pop("praxos.event", "")),
        str(attributes.pop("praxos.conversation", "")),
        os.getpid(),
        json.dumps(attributes, default=str),
        json.dumps(links),
    )

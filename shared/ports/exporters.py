"""Where spans, metrics and log lines go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.trace.export import SpanExporter


class Exporter(Protocol):
    """Somewhere that telemetry goes. Each method loads a library and may take a second: call it in a thread, once."""

    delay_seconds: float
    """How long spans are collected before they are sent together."""

    def spans(self) -> SpanExporter | None:
        """What takes spans; None where they are not taken."""

    def metrics(self) -> MetricExporter | None:
        """What takes metrics; None where they are not taken."""

    def logs(self) -> LogRecordExporter | None:
        """What takes log lines; None where they are not taken."""

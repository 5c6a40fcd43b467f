"""OpenTelemetry's SDK with what it records in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.telemetry import metrics, spans
from shared.telemetry.measuring import OpenTelemetryMeters
from shared.telemetry.recording import OpenTelemetrySpans
from tests.fakes.spans import Seen


class Recorded:
    """What was recorded so far."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._metrics = InMemoryMetricReader()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._spans))
        meters = OpenTelemetryMeters()
        meters.open(MeterProvider([self._metrics], shutdown_on_exit=False).get_meter("test"))
        spans.use(OpenTelemetrySpans(provider.get_tracer("test")))
        metrics.use(meters)

    def span(self, name: str) -> ReadableSpan:
        [found] = [one for one in self._spans.get_finished_spans() if one.name == name]
        return found

    def seen(self) -> list[Seen]:
        """Every span that has ended, the earliest begun first."""
        ended = sorted(self._spans.get_finished_spans(), key=lambda one: one.start_time or 0)
        return [
            Seen(
                trace=f"{one.context.trace_id:032x}",
                id=f"{one.context.span_id:016x}",
                parent=f"{one.parent.span_id:016x}" if one.parent else "",
                name=one.name,
                attributes=dict(one.attributes or {}),
                links=[f"{link.context.trace_id:032x}" for link in one.links],
            )
            for one in ended
        ]

    def points(self, name: str) -> list[tuple[dict[str, object], float]]:
        """The attributes and the value, or the sum, of each point of a metric."""
        data = self._metrics.get_metrics_data()
        found = [metric for one in data.resource_metrics for scope in one.scope_metrics for metric in scope.metrics]
        points = [point for metric in found if metric.name == name for point in metric.data.data_points]
        return [(dict(point.attributes), getattr(point, "value", None) or getattr(point, "sum", 0)) for point in points]


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    yield Recorded()
    spans.use(None)
    metrics.use(None)

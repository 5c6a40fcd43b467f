"""To an OpenTelemetry collector by OTLP over HTTP. All `OTEL_EXPORTER_OTLP_*` variables hold: the library reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.ports import Parts
from shared.telemetry.settings import TelemetrySettings

if TYPE_CHECKING:
    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.trace.export import SpanExporter


def build(parts: Parts) -> OtlpExporter:
    """The exporter; raises SettingError."""
    return OtlpExporter(settings=TelemetrySettings.from_environ(parts.environ))


class OtlpExporter:
    """Implements `shared.ports.Exporter`."""

    delay_seconds = 2.0

    def __init__(self, *, settings: TelemetrySettings) -> None:
        self._all = bool(settings.otlp_endpoint)

    def spans(self) -> SpanExporter:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter()

    def metrics(self) -> MetricExporter | None:
        if not self._all:
            return None
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

        return OTLPMetricExporter()

    def logs(self) -> LogRecordExporter | None:
        if not self._all:
            return None
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

        return OTLPLogExporter()

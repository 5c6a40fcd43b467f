"""To Azure Monitor. Without keys where APPLICATIONINSIGHTS_AUTHENTICATION_STRING names an identity: the library reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.ports import Parts
from shared.telemetry.settings import TelemetrySettings

if TYPE_CHECKING:
    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.trace.export import SpanExporter


def build(parts: Parts) -> AzureMonitorExporter:
    """The exporter; raises SettingError."""
    return AzureMonitorExporter(settings=TelemetrySettings.from_environ(parts.environ))


class AzureMonitorExporter:
    """Implements `shared.ports.Exporter`."""

    delay_seconds = 5.0

    def __init__(self, *, settings: TelemetrySettings) -> None:
        self._connection = settings.connection_string.get_secret_value()

    def spans(self) -> SpanExporter:
        from azure.monitor.opentelemetry.exporter import AzureMonitorTraceExporter

        return AzureMonitorTraceExporter(connection_string=self._connection)

    def metrics(self) -> MetricExporter:
        from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter

        return AzureMonitorMetricExporter(connection_string=self._connection)

    def logs(self) -> LogRecordExporter:
        from azure.monitor.opentelemetry.exporter import AzureMonitorLogExporter

        return AzureMonitorLogExporter(connection_string=self._connection)

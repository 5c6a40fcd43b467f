"""Begins and ends the recording of telemetry in a process. The exporters load in a thread: no message waits for them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from shared.telemetry import logs, metrics, spans
from shared.telemetry.measuring import LogLines, OpenTelemetryMeters
from shared.telemetry.recording import Early, OpenTelemetrySpans

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider

    from shared.ports import Exporter

SCOPE: Final = "praxos"
LOAD_SECONDS: Final = 1.0
"""How long after the start the exporters are loaded: the first messages are answered before."""
FLUSH_SECONDS: Final = 5.0
"""How long the end of a process waits for what is still to be sent."""

_log = logs.logger("telemetry")


class Recording(Protocol):
    """What records in this process."""

    def begin(self) -> None:
        """Record spans and metrics from now on."""

    def end(self) -> None:
        """Record nothing more, and send what is left. May block for seconds."""


class Telemetry:
    """What records in this process, from `begin` to `end`."""

    def __init__(self, exporters: Callable[[], Sequence[Exporter]]) -> None:
        """`exporters` makes them; it may take a second and is called once, in a thread."""
        self._exporters = exporters
        self._early = Early()
        self._meters = OpenTelemetryMeters()
        self._lock = threading.Lock()
        self._loaded = False
        self._lines: LogLines | None = None
        self._meter_provider: MeterProvider | None = None
        self._logger_provider: LoggerProvider | None = None
        self._resource = _resource()
        self._provider = TracerProvider(resource=self._resource, shutdown_on_exit=False)
        self._provider.add_span_processor(self._early)
        self._timer = threading.Timer(LOAD_SECONDS, self._load)
        self._timer.daemon = True

    def begin(self) -> None:
        """Record spans and metrics from now on."""
        spans.use(OpenTelemetrySpans(self._provider.get_tracer(SCOPE)))
        metrics.use(self._meters)
        self._timer.start()

    def end(self) -> None:
        """Record nothing more, and send what is left. Blocks for FLUSH_SECONDS for each exporter at most."""
        self._timer.cancel()
        self._load()
        spans.use(None)
        metrics.use(None)
        if self._lines:
            logging.getLogger(logs.LOGGER).removeHandler(self._lines)
        self._provider.force_flush(int(FLUSH_SECONDS * 1000))
        self._provider.shutdown()
        if self._logger_provider:
            self._logger_provider.shutdown()
        if self._meter_provider:
            self._meter_provider.shutdown(FLUSH_SECONDS * 1000)

    def _load(self) -> None:
        with self._lock:
            if self._loaded:
                return
            self._loaded = True
            try:
                self._connect(self._exporters())
            except Exception as error:  # noqa: BLE001  telemetry that cannot be sent must not keep anything from working
                _log.error("telemetry is not sent", extra={"fields": {"error": logs.exception(error)}})
                self._early.pass_on(())

    def _connect(self, exporters: Sequence[Exporter]) -> None:
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._early.pass_on(
            [
                BatchSpanProcessor(exporter, schedule_delay_millis=one.delay_seconds * 1000)
                for one in exporters
                if (exporter := one.spans())
            ]
        )
        self._connect_metrics(exporters)
        self._connect_logs(exporters)

    def _connect_metrics(self, exporters: Sequence[Exporter]) -> None:
        found = [exporter for one in exporters if (exporter := one.metrics())]
        if not found:
            metrics.use(None)
            return
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        # How often: OTEL_METRIC_EXPORT_INTERVAL, a minute without it.
        readers = [PeriodicExportingMetricReader(one) for one in found]
        self._meter_provider = MeterProvider(readers, resource=self._resource, shutdown_on_exit=False)
        self._meters.open(self._meter_provider.get_meter(SCOPE))

    def _connect_logs(self, exporters: Sequence[Exporter]) -> None:
        found = [exporter for one in exporters if (exporter := one.logs())]
        if not found:
            return
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

        self._logger_provider = LoggerProvider(resource=self._resource, shutdown_on_exit=False)
        for one in found:
            self._logger_provider.add_log_record_processor(BatchLogRecordProcessor(one))
        self._lines = LogLines(self._logger_provider.get_logger(SCOPE))
        logging.getLogger(logs.LOGGER).addHandler(self._lines)


def _resource() -> Resource:
    """What everything that is sent says of where it comes from: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win."""
    found = Resource.create()
    unnamed = str(found.attributes.get("service.name", "")).startswith("unknown_service")
    return found.merge(Resource({"service.name": SCOPE})) if unnamed else found


class Borrowed:
    """Records through the providers that Azure's worker has set up: PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY asks it to."""

    def begin(self) -> None:
        """Record spans and metrics from now on."""
        from opentelemetry.metrics import get_meter

        meters = OpenTelemetryMeters()
        meters.open(get_meter(SCOPE))
        spans.use(OpenTelemetrySpans(trace.get_tracer(SCOPE)))
        metrics.use(meters)

    def end(self) -> None:
        """Record nothing more; the worker sends what is left."""
        spans.use(None)
        metrics.use(None)

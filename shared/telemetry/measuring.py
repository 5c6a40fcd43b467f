"""Records metrics, and sends log lines, with OpenTelemetry. Imported only where a setting names somewhere to send them to."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Observation

from shared.telemetry import logs
from shared.telemetry.described import DESCRIBED
from shared.telemetry.metrics import Metric

if TYPE_CHECKING:
    from opentelemetry._logs import Logger
    from opentelemetry.metrics import Meter

    from shared.telemetry.protocols import Attributes, QueueStates

_MOST_EARLY = 10_000
"""How many values are kept until the exporters are loaded."""
_SEVERITIES = (
    (logging.ERROR, SeverityNumber.ERROR),
    (logging.WARNING, SeverityNumber.WARN),
    (logging.INFO, SeverityNumber.INFO),
)


class OpenTelemetryMeters:
    """Implements `shared.telemetry.metrics.Meters`."""

    def __init__(self) -> None:
        self._early: deque[tuple[Metric, float, Attributes]] = deque(maxlen=_MOST_EARLY)
        self._meter: Meter | None = None
        self._made: dict[Metric, Counter | Histogram] = {}
        self._states: QueueStates | None = None
        self._watching = False
        self._lock = threading.Lock()

    def open(self, meter: Meter) -> None:
        """From now on values go here, and those that were kept go first."""
        with self._lock:
            self._meter = meter
            early, self._early = list(self._early), deque(maxlen=_MOST_EARLY)
        for metric, value, attributes in early:
            self.record(metric, value, attributes)
        self._watch()

    def record(self, metric: Metric, value: float, attributes: Attributes) -> None:
        meter = self._meter
        if meter is None:
            with self._lock:
                self._early.append((metric, value, attributes))
            return
        made = self._made.get(metric) or self._made.setdefault(metric, _made(meter, metric))
        if isinstance(made, Counter):
            made.add(value, dict(attributes))
        else:
            made.record(value, dict(attributes))

    def watch(self, states: QueueStates) -> None:
        self._states = states
        self._watch()

    def _watch(self) -> None:
        if self._meter is None or self._states is None or self._watching:
            return
        self._watching = True
        for metric in (Metric.QUEUE_DEPTH, Metric.QUEUE_AGE):
            described = DESCRIBED[metric]
            self._meter.create_observable_gauge(
                metric, [self._observer(metric)], unit=described.unit, description=described.what
            )

    def _observer(self, metric: Metric):  # type: ignore[no-untyped-def]  # OpenTelemetry's name of the type is private
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            states = self._states() if self._states else ()
            values = [(one.queue, one.depth if metric is Metric.QUEUE_DEPTH else one.oldest_seconds) for one in states]
            return [Observation(value, {"praxos.queue": queue}) for queue, value in values if value is not None]

        return observe


def _made(meter: Meter, metric: Metric) -> Counter | Histogram:
    described = DESCRIBED[metric]
    if described.counts:
        return meter.create_counter(metric, unit=described.unit, description=described.what)
    return meter.create_histogram(
        metric,
        unit=described.unit,
        description=described.what,
        explicit_bucket_boundaries_advisory=list(described.bounds),
    )


class LogLines(logging.Handler):
    """Sends our own log lines on, with the fields that they have as JSON; an exception as its type and where it came from."""

    def __init__(self, sink: Logger) -> None:
        super().__init__()
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        fields = logs.fields_of(record)
        for known in ("trace_id", "span_id"):  # the record has them of itself
            fields.pop(known, None)
        if record.exc_info and record.exc_info[1]:
            fields["exception.type"] = type(record.exc_info[1]).__qualname__
            fields["exception.stacktrace"] = logs.exception(record.exc_info[1])
        self._sink.emit(
            LogRecord(
                timestamp=int(record.created * 1e9),
                severity_text=record.levelname,
                severity_number=next(
                    (one for level, one in _SEVERITIES if record.levelno >= level), SeverityNumber.DEBUG
                ),
                body=record.getMessage(),
                attributes={"logger": record.name, **{name: _plain(value) for name, value in fields.items()}},
            )
        )


def _plain(value: object) -> str | int | float | bool:
    return value if isinstance(value, str | int | float | bool) else str(value)

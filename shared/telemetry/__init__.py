"""Logs, spans and metrics, and the W3C trace context that records and messages carry from stage to stage.

Nothing here imports OpenTelemetry until a setting names somewhere to send spans to: `shared.telemetry.recording` does then.
"""

from __future__ import annotations

from shared.telemetry.carrying import FromOutside, new_traceparent
from shared.telemetry.logs import LOGGER, bind, bound, configure_logs, hashed, logger
from shared.telemetry.metrics import Metric, add, measure, watch_queues
from shared.telemetry.spans import carried, enabled, handed_on, properties, span, started

__all__ = [
    "LOGGER",
    "FromOutside",
    "Metric",
    "add",
    "bind",
    "bound",
    "carried",
    "configure_logs",
    "enabled",
    "handed_on",
    "hashed",
    "logger",
    "measure",
    "new_traceparent",
    "properties",
    "span",
    "started",
    "watch_queues",
]

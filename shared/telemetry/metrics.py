"""Metrics: counters and distributions, by name. Where nobody records them they cost a function call."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.telemetry.protocols import Attributes, Meters, QueueStates


class Metric(StrEnum):
    """Everything that is counted or measured. `described` says what each is."""

    MESSAGE_DURATION = "praxos.message.duration"
    DELIVERY_DURATION = "praxos.delivery.duration"
    TOOL_CALLS = "praxos.tool.calls"
    ERRORS = "praxos.errors"
    TOKENS = "praxos.user.tokens"
    COST = "praxos.user.cost"
    MODEL_DURATION = "gen_ai.client.operation.duration"
    MODEL_TOKENS = "gen_ai.client.token.usage"
    OVERDUE = "praxos.overdue.age"
    QUEUE_DEPTH = "praxos.queue.depth"
    QUEUE_AGE = "praxos.queue.oldest_age"


_meters: Meters | None = None


def use(meters: Meters | None) -> None:
    """Let metrics of this process be recorded; None: not any more."""
    global _meters
    _meters = meters


def add(metric: Metric, value: float = 1, attributes: Attributes | None = None) -> None:
    """Add to a counter."""
    if _meters is not None:
        _meters.record(metric, value, attributes or {})


def measure(metric: Metric, value: float, attributes: Attributes | None = None) -> None:
    """Note one value of a distribution."""
    if _meters is not None:
        _meters.record(metric, value, attributes or {})


def watch_queues(states: QueueStates) -> None:
    """Report depth and oldest age of the queues from now on; without effect where nobody records metrics."""
    if _meters is not None:
        _meters.watch(states)

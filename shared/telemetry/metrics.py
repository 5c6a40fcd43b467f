"""Metrics: counters and distributions, by name. Where nobody records them they cost a function call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

Value = str | int | float | bool
Attributes = Mapping[str, Value]


class Metric(StrEnum):
    """Everything that is counted or measured. Units are in `DESCRIBED`."""

    MESSAGE_DURATION = "praxos.message.duration"
    DELIVERY_DURATION = "praxos.delivery.duration"
    TOOL_CALLS = "praxos.tool.calls"
    ERRORS = "praxos.errors"
    TOKENS = "praxos.user.tokens"
    COST = "praxos.user.cost"
    MODEL_DURATION = "gen_ai.client.operation.duration"
    MODEL_TOKENS = "gen_ai.client.token.usage"
    QUEUE_DEPTH = "praxos.queue.depth"
    QUEUE_AGE = "praxos.queue.oldest_age"


@dataclass(frozen=True, slots=True)
class Described:
    """What a metric is: its unit in UCUM, and what it says."""

    unit: str
    what: str
    counts: bool = False
    """True for a counter, False for a distribution."""
    bounds: Sequence[float] = ()
    """The upper ends of a distribution's buckets."""


_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
DESCRIBED: Mapping[Metric, Described] = {
    Metric.MESSAGE_DURATION: Described("s", "From taking a message in to its reply in the outbox.", bounds=_SECONDS),
    Metric.DELIVERY_DURATION: Described("s", "From the outbox to the platform's receipt.", bounds=_SECONDS),
    Metric.TOOL_CALLS: Described("{call}", "Calls of tools by outcome.", counts=True),
    Metric.ERRORS: Described("{error}", "What went wrong, by stage and type.", counts=True),
    Metric.TOKENS: Described("{token}", "Tokens by user (a hash), model and direction.", counts=True),
    Metric.COST: Described("{currency}", "Money by user (a hash) and model, where its price is known.", counts=True),
    # Names, units and buckets of the semantic conventions for generative AI.
    Metric.MODEL_DURATION: Described(
        "s",
        "Calls of models.",
        bounds=(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96),
    ),
    Metric.MODEL_TOKENS: Described(
        "{token}", "Tokens of one call of a model.", bounds=tuple(float(4**power) for power in range(14))
    ),
    Metric.QUEUE_DEPTH: Described("{message}", "Messages that wait in a queue."),
    Metric.QUEUE_AGE: Described("s", "How long the oldest message of a queue has waited."),
}


@dataclass(frozen=True, slots=True)
class QueueState:
    """How a queue stands: how many messages wait, and for how many seconds the oldest has."""

    queue: str
    depth: int
    oldest_seconds: float = 0.0


QueueStates = Callable[[], Sequence[QueueState]]
"""Called from a thread of its own when metrics are collected: it must return at once, with what is known."""


class Meters(Protocol):
    """Records metrics: `shared.telemetry.measuring` has the one that uses OpenTelemetry."""

    def record(self, metric: Metric, value: float, attributes: Attributes) -> None:
        """Add to a counter, or note one value of a distribution."""

    def watch(self, states: QueueStates) -> None:
        """Report the queues from now on."""


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

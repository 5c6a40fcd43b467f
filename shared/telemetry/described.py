"""What each metric is, and how a queue stands. Loaded where metrics are recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.telemetry.metrics import Metric


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
    Metric.OVERDUE: Described("s", "How late the sweeper found what nobody had rung for.", bounds=_SECONDS),
    Metric.QUEUE_DEPTH: Described("{message}", "Messages that wait in a queue."),
    Metric.QUEUE_AGE: Described("s", "How long the oldest message of a queue has waited."),
}


@dataclass(frozen=True, slots=True)
class QueueState:
    """How a queue stands: how many messages wait, and for how many seconds the oldest has; None where nobody knows."""

    queue: str
    depth: int
    oldest_seconds: float | None = None

"""What is carried, recorded and measured, for annotations alone: making these classes would cost a cold start milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypedDict

if TYPE_CHECKING:
    from shared.telemetry.described import QueueState
    from shared.telemetry.metrics import Metric

Attributes = Mapping[str, str | int | float | bool]
"""Never what a person or a model wrote, never a secret."""
Kind = Literal["internal", "server", "client", "producer", "consumer"]
"""Which end of a conversation between processes a span stands for, as OpenTelemetry names them."""
QueueStates = Callable[[], "Sequence[QueueState]"]
"""Called from a thread of its own when metrics are collected: it must return at once, with what is known."""


class Traced(Protocol):
    """What carries a place in a trace: an event, a bell, a run, a part, a question, a dead letter."""

    @property
    def traceparent(self) -> str: ...
    @property
    def tracestate(self) -> str: ...


class Copyable(Traced, Protocol):
    """A record that carries one."""

    def model_copy(self, *, update: Mapping[str, Any] | None = None) -> Self: ...


class Carried(TypedDict):
    """The fields that carry a place in a trace, to be given to whatever comes next: `Bell(…, **carried(event))`."""

    traceparent: str
    tracestate: str


class Span(Protocol):
    """Something that takes time, from `with` to its end. An exception that passes through marks it as failed."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None: ...

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""

    def failed(self, error: str) -> None:
        """Mark it as failed, with the kind of error and not its words: those may hold what somebody wrote."""


class Recorder(Protocol):
    """Records spans: `shared.telemetry.recording` has the one that uses OpenTelemetry."""

    def span(
        self,
        name: str,
        *,
        kind: Kind,
        parent: Traced | None,
        root: bool,
        links: Sequence[Traced],
        started_at: datetime | None,
        attributes: Attributes | None,
    ) -> Span:
        """A span, to be begun by `with`."""

    def here(self) -> Carried | None:
        """The place of the span that is open here; None where none is."""


class Meters(Protocol):
    """Records metrics: `shared.telemetry.measuring` has the one that uses OpenTelemetry."""

    def record(self, metric: Metric, value: float, attributes: Attributes) -> None:
        """Add to a counter, or note one value of a distribution."""

    def watch(self, states: QueueStates) -> None:
        """Report the queues from now on."""

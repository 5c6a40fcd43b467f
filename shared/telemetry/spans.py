"""Spans: what a stage, a tool, a model's or a platform's call took. Where nobody records them they cost a function call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from shared.telemetry.carrying import new_traceparent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import TypeVar

    from shared.telemetry.protocols import Attributes, Carried, Copyable, Kind, Recorder, Span, Traced

    R = TypeVar("R", bound=Copyable)


class _Nothing:
    """The span of those who record none."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        pass

    def set(self, attributes: Attributes) -> None:
        pass

    def failed(self, error: str) -> None:
        pass


_NOTHING: Final = _Nothing()
_NO_PROPERTIES: Final[Mapping[str, str]] = {}
_recorder: Recorder | None = None


def use(recorder: Recorder | None) -> None:
    """Let spans of this process be recorded; None: not any more."""
    global _recorder
    _recorder = recorder


def enabled() -> bool:
    """Whether anybody records spans."""
    return _recorder is not None


def span(
    name: str,
    *,
    kind: Kind = "internal",
    parent: Traced | None = None,
    root: bool = False,
    links: Sequence[Traced] = (),
    started_at: datetime | None = None,
    attributes: Attributes | None = None,
) -> Span:
    """A span: a child of what `parent` carries, else of the span that is open here. `root`: the first of a new trace.

    `started_at` is for what began before this process knew of it, such as a wait; an aware time.
    """
    if _recorder is None:
        return _NOTHING
    return _recorder.span(
        name, kind=kind, parent=parent, root=root, links=links, started_at=started_at, attributes=attributes
    )


def carried(of: Traced) -> Carried:
    """What something that follows from `of` carries on: the place of the span that is open here, if it is of that trace."""
    place = _recorder.here() if _recorder else None
    if place is None or (of.traceparent and place["traceparent"][3:35] != of.traceparent[3:35]):
        return {"traceparent": of.traceparent, "tracestate": of.tracestate}
    return place


def handed_on(of: R) -> R:
    """The same record or message, as the span that is open here passes it on."""
    if _recorder is None:
        return of
    place = carried(of)
    return of if place["traceparent"] == of.traceparent else of.model_copy(update=place)


def properties(of: Traced) -> Mapping[str, str]:
    """What a message carries of it under the names that brokers and the Functions host look for; nothing where none record.

    The body carries it too, and is what our stages read.
    """
    if _recorder is None:
        return _NO_PROPERTIES
    found = {"traceparent": of.traceparent, "tracestate": of.tracestate}
    return {name: value for name, value in found.items() if value}


def here() -> str:
    """The traceparent of the span that is open here; empty where none is."""
    place = _recorder.here() if _recorder else None
    return place["traceparent"] if place else ""


def started() -> Carried:
    """Where something starts: the span that is open here; a fresh trace where spans are not recorded, so that logs agree."""
    place = _recorder.here() if _recorder else None
    return place or {"traceparent": new_traceparent(), "tracestate": ""}

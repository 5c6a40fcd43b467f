"""The spans that this machine keeps of messages, put together to traces: what `python -m local trace` shows of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from local.trace_text import span as human
from shared.messages import StoreUnavailable
from shared.settings import Settings
from shared.telemetry import kept
from shared.telemetry.kept import KeptSpan

_SAID = (
    "praxos.outcome",
    "error.type",
    "http.response.status_code",
    "server.address",
    "praxos.channel",
    "praxos.event.kind",
    "praxos.question.about",
)
"""The attributes that are worth a place in a line, in this order."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A span and how deep it lies."""

    span: KeptSpan
    depth: int
    orphan: bool
    """True where its parent is not there: its process died before it was written, or it is not kept any more."""

    @property
    def lasted(self) -> timedelta:
        """From its beginning to its end."""
        return self.span.ended - self.span.started


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace, the children of each span below it in the order of time."""

    id: str
    spans: Sequence[Placed]

    @property
    def lasted(self) -> timedelta:
        """From the first beginning to the last end."""
        return max(one.span.ended for one in self.spans) - min(one.span.started for one in self.spans)


def of(settings: Settings, events: Sequence[str]) -> list[Trace]:
    """The traces of some events and those that are linked with them, the earliest first. Raises StoreUnavailable."""
    try:
        found = kept.of_events(Path(settings.home) / kept.FILE, events)
    except kept.Error as error:
        raise StoreUnavailable(f"{kept.FILE} could not be read: {error}") from error
    traces: dict[str, list[KeptSpan]] = {}
    for span in found:
        traces.setdefault(span.trace, []).append(span)
    return [Trace(name, list(_placed(spans))) for name, spans in traces.items()]


def _placed(spans: Sequence[KeptSpan]) -> Iterator[Placed]:
    there = {span.id for span in spans}
    below: dict[str, list[KeptSpan]] = {}
    for span in spans:
        below.setdefault(span.parent if span.parent in there else "", []).append(span)

    def walk(parent: str, depth: int) -> Iterator[Placed]:
        for span in below.get(parent, ()):
            yield Placed(span, depth, orphan=bool(span.parent) and not parent)
            yield from walk(span.id, depth + 1)

    yield from walk("", 0)


def about(span: KeptSpan) -> list[str]:
    """What a span says of itself, shortly."""
    said = [str(span.attributes[name]) for name in _SAID if name in span.attributes]
    tokens = [span.attributes.get(f"gen_ai.usage.{which}_tokens") for which in ("input", "output")]
    return [*said, f"{tokens[0]} tokens in, {tokens[1]} out"] if tokens[0] is not None else said


def lines(traces: Sequence[Trace]) -> Iterator[str]:
    """The traces for a terminal."""
    for trace in traces:
        begun = min(one.span.started for one in trace.spans)
        yield ""
        yield f"trace {trace.id}  {human(trace.lasted)}"
        for one in trace.spans:
            mark = "!" if one.span.failed else "?" if one.orphan else " "
            name = f"{'  ' * one.depth}{one.span.name}"
            at, lasted = human(one.span.started - begun), human(one.lasted)
            yield f"  +{at:>9} {mark} {lasted:>9}  {name:<36} {', '.join(about(one.span))}".rstrip()


def as_json(traces: Sequence[Trace]) -> list[dict[str, Any]]:
    """The traces for scripts."""
    return [{"trace": trace.id, "spans": [_json(one) for one in trace.spans]} for trace in traces]


def _json(placed: Placed) -> dict[str, Any]:
    span = placed.span
    return {
        "id": span.id,
        "parent": span.parent,
        "name": span.name,
        "kind": span.kind,
        "started": span.started.isoformat(),
        "ended": span.ended.isoformat(),
        "failed": span.failed,
        "event": span.event,
        "process": span.process,
        "attributes": dict(span.attributes),
        "links": list(span.links),
        "orphan": placed.orphan,
    }

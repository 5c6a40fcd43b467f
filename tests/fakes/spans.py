"""Spans as tests look at them, wherever they were sent: whether they are one trace, and whether each has its parent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Seen:
    """One span that arrived somewhere."""

    trace: str
    id: str
    parent: str
    name: str
    kind: str = ""
    attributes: Mapping[str, object] = field(default_factory=dict)
    links: Sequence[str] = ()
    """Trace ids."""


def of_event(spans: Sequence[Seen], event: str) -> list[Seen]:
    """The spans of the one trace that begins with the webhook of an event."""
    traces = {one.trace for one in spans if one.name == "webhook" and one.attributes.get("praxos.event") == event}
    assert len(traces) <= 1, f"{event} has {len(traces)} traces"
    return [one for one in spans if one.trace in traces]


def orphans(spans: Sequence[Seen]) -> list[str]:
    """The names of those whose parent is not among them."""
    there = {(one.trace, one.id) for one in spans}
    return [one.name for one in spans if one.parent and (one.trace, one.parent) not in there]


def roots(spans: Sequence[Seen]) -> list[str]:
    """The names of those that begin a trace."""
    return [one.name for one in spans if not one.parent]


def names(spans: Sequence[Seen]) -> list[str]:
    """What they are called, each name once, sorted."""
    return sorted({one.name for one in spans})

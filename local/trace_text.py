"""A timeline for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from shared.pipeline.timeline_views import Happened, Item, Timeline, Tone

MARKS = {Tone.PLAIN: "·", Tone.GOOD: "+", Tone.WAITING: "~", Tone.BAD: "!"}
_LANE_WIDTH = 12
_LASTS_WIDTH = 10


class Active(Protocol):
    """A conversation that was active."""

    @property
    def conversation(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def events(self) -> int: ...


def timeline(timeline: Timeline, zone: ZoneInfo) -> str:
    """All of it, the newest last."""
    lines = [f"{timeline.conversation}, times in {zone.key}"]
    for happened in timeline.happened:
        lines += ["", *_happened(happened, timeline.now, zone)]
    if not timeline.happened:
        lines.append("Nothing has happened here, or nothing is kept of it.")
    return "\n".join([*lines, *(f"\n{note}" for note in timeline.notes)])


def conversations(recent: Sequence[Active], zone: ZoneInfo) -> str:
    """The conversations that were active last."""
    if not recent:
        return "No conversation is kept here."
    return "\n".join(
        f"{clock(one.at, zone)}  {one.conversation}  {one.events} event{'s' * (one.events != 1)}" for one in recent
    )


def title(happened: Happened) -> str:
    """What an event is, in one line."""
    if not happened.event:
        return "what belongs to no event that is shown"
    number = f"#{happened.number} " if happened.number else ""
    state = f", {happened.state}" if happened.state else ", never in its mailbox"
    size = f", {happened.length} characters" if happened.length else ""
    return f"{number}{happened.event}  ({happened.kind}{state}{size})"


def lasts(item: Item, now: datetime) -> str:
    """How long something lasted, for people; empty for a moment."""
    if not item.lasts:
        return f"in {span(item.at - now)}" if item.at > now else ""
    if item.open:
        return f"open {span(now - item.at)}"
    return span(item.until - item.at) if item.until else "unknown"


def span(length: timedelta) -> str:
    """A duration in human units: `12 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`."""
    seconds = max(0.0, length.total_seconds())
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for small, large, size in (("s", "min", 60), ("min", "h", 3600), ("h", "d", 86400)):
        if whole < size * (60 if size == 60 else 24) or large == "d":
            least = {60: 1, 3600: 60, 86400: 3600}[size]
            rest = whole % size // least
            return f"{whole // size} {large}" + (f" {rest} {small}" if rest else "")
    raise AssertionError("days have no end")


def clock(at: datetime, zone: ZoneInfo) -> str:
    """A time in the zone, to the second."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _happened(happened: Happened, now: datetime, zone: ZoneInfo) -> Iterator[str]:
    yield title(happened)
    if happened.text:
        yield from _quoted(happened.text, "  ")
    day = ""
    for item in happened.items:
        local = item.at.astimezone(zone)
        if f"{local:%Y-%m-%d}" != day:
            day = f"{local:%Y-%m-%d}"
            yield f"  {day}"
        yield from _item(item, local, now)


def _item(item: Item, local: datetime, now: datetime) -> Iterator[str]:
    time = f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"
    size = f" ({item.length} characters)" if item.length else ""
    how_long = lasts(item, now)
    yield f"  {time} {MARKS[item.tone]} {item.lane:<{_LANE_WIDTH}} {how_long:>{_LASTS_WIDTH}}  {item.what}{size}"
    indent = " " * (2 + len(time) + 3 + _LANE_WIDTH + 1 + _LASTS_WIDTH + 2)
    for detail in item.details:
        yield f"{indent}{detail}"
    if item.text:
        yield from _quoted(item.text, indent)


def _quoted(text: str, indent: str) -> Iterator[str]:
    for line in text.splitlines():
        yield f"{indent}│ {line}"

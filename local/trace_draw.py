"""What the pictures of a timeline and of a trace are drawn with: bars on a scale, its axis, text that is no markup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from local.trace_scale import Scale
from shared.pipeline.timeline_views import Tone

# Controls, and what turns the direction of the text around: neither may disguise what is written.
_UNSEEN = dict.fromkeys((*range(32), *range(127, 160), *range(8234, 8239)), "�")
_UNSEEN |= dict.fromkeys(range(8294, 8298), "�")
del _UNSEEN[ord("\n")], _UNSEEN[ord("\t")]


def bar(scale: Scale, begun: datetime, end: datetime | None, *, tone: Tone, is_open: bool, label: str) -> str:
    """A bar with its label, on the side of it where there is room."""
    left, right = scale.place(begun), scale.place(end or begun)
    shape = " open" if is_open else "" if end else " unknown"
    drawn = (
        f'<span class="bar {tone}{shape}" style="left:min({left:.2f}%,100% - 4px);width:{right - left:.2f}%"></span>'
    )
    if right < 78:
        place = f"left:{right:.2f}%"
    elif left > 22:
        place = f"right:{100 - left:.2f}%"
    else:
        place = f"left:{left:.2f}%"
    inside = "" if right < 78 or left > 22 else f" inside on-{tone}"
    return f'{drawn}<span class="label{inside}" style="{place}">{label}</span>'


def axis(ticks: Sequence[tuple[str, float]]) -> Iterator[str]:
    """The labels above the bars: what is written, and where, in percent."""
    yield '<div class="row axis" aria-hidden="true"><span class="track">'
    for index, (label, place) in enumerate(ticks):
        edge = "first" if index == 0 else "last" if index == len(ticks) - 1 else "middle"
        yield f'<span class="tick {edge}" style="left:{place:.2f}%">{label}</span>'
    yield "</span></div>"


def grid(scale: Scale) -> str:
    """The lines below them, as a style."""
    lines = [
        f"linear-gradient(to right,transparent {place:.2f}%,var(--line) {place:.2f}% calc({place:.2f}% + 1px),transparent 0)"
        for _, place in scale.ticks()[:-1]
    ]
    return f"--grid:{','.join(lines) or 'none'}"


def time(at: datetime, zone: ZoneInfo) -> str:
    """A time of day in the zone, to the millisecond."""
    local = at.astimezone(zone)
    return f"{local:%H:%M:%S}<small>.{local.microsecond // 1000:03d}</small>"


def safe(text: str) -> str:
    """Text that is no markup, and that hides nothing."""
    return escape(text.translate(_UNSEEN))

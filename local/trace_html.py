"""A timeline as one page that needs nothing else: no script, no network; every row opens by mouse, touch or keyboard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

from local.trace_scale import Scale
from local.trace_text import clock, lasts, span
from shared.pipeline.timeline_views import LANES, Happened, Item, Lane, Timeline, Tone

STYLE = Path(__file__).with_name("trace.css")
_LEGEND = {Tone.GOOD: "went well", Tone.PLAIN: "took place", Tone.WAITING: "waited", Tone.BAD: "went wrong"}
# Controls, and what turns the direction of the text around: neither may disguise what is written.
_UNSEEN = dict.fromkeys((*range(32), *range(127, 160), *range(8234, 8239)), "�")
_UNSEEN |= dict.fromkeys(range(8294, 8298), "�")
del _UNSEEN[ord("\n")], _UNSEEN[ord("\t")]


def page(timeline: Timeline, zone: ZoneInfo) -> str:
    """The whole page."""
    name = timeline.event or timeline.conversation
    body = [*_header(timeline, zone)]
    if len(timeline.happened) > 1:
        body += _overview(timeline, zone)
    for number, happened in enumerate(timeline.happened):
        body += _event(happened, number, timeline.now, zone)
    if not timeline.happened:
        body.append('<p class="note">Nothing has happened here, or nothing is kept of it.</p>')
    body += [f'<p class="note">{_e(note)}</p>' for note in timeline.notes]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>What happened: {_e(name)}</title>",
            f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>",
            "<main>",
            *body,
            "</main>",
            "</html>",
            "",
        ]
    )


def _header(timeline: Timeline, zone: ZoneInfo) -> Iterator[str]:
    count = len(timeline.happened)
    yield "<header>"
    yield f"<h1>{'What happened to a message' if timeline.event else 'What happened in a conversation'}</h1>"
    yield f'<p class="id">{_e(timeline.event or timeline.conversation)}</p>'
    where = f" in <b>{_e(timeline.conversation)}</b>" if timeline.event else ""
    events = "" if timeline.event else f"{count} event{'s' * (count != 1)}. "
    yield f"<p>{events}As it stood at {clock(timeline.now, zone)}{where}; times in {_e(zone.key)}."
    yield "The scale is compressed: the labels say how long something took.</p>"
    yield '<ul class="legend">'
    yield from (f'<li><span class="bar {tone}"></span>{words}</li>' for tone, words in _LEGEND.items())
    yield '<li><span class="bar plain open"></span>still open</li>'
    yield '<li><span class="dot plain"></span>a moment</li>'
    yield "</ul></header>"


# --- all events of a conversation ---


def _overview(timeline: Timeline, zone: ZoneInfo) -> Iterator[str]:
    ends = [_end(happened, timeline.now) for happened in timeline.happened]
    scale = Scale([time for happened, end in zip(timeline.happened, ends, strict=True) for time in (happened.at, end)])
    yield f'<nav class="card" aria-label="Events" style="{_grid(scale)}">'
    yield from _axis([(f"{at.astimezone(zone):%H:%M:%S}", place) for at, place in scale.ticks()])
    for number, (happened, end) in enumerate(zip(timeline.happened, ends, strict=True)):
        length = span(end - happened.at)
        is_open = any(item.open for item in happened.items)
        bar = _bar(scale, happened.at, end, tone=_tone(happened), is_open=is_open, label=length)
        yield f'<a class="row" href="#event-{number}"><span class="time">{_time(happened.at, zone)}</span>'
        yield f'<span class="what">{_e(_title(happened))}</span><span class="track">{bar}</span></a>'
    yield "</nav>"


def _end(happened: Happened, now: datetime) -> datetime:
    times = [time for item in happened.items for time in _times(item, now)]
    return max([happened.at, *times])


def _tone(happened: Happened) -> Tone:
    """How an event stands in the end: what went wrong on the way and was made up for does not count."""
    tones = [item.tone for item in happened.items if item.open or item.lane is Lane.DELIVERY]
    if Tone.BAD in tones:
        return Tone.BAD
    if any(item.open for item in happened.items):
        return Tone.WAITING
    return next((item.tone for item in reversed(happened.items) if item.lane is Lane.TURN), Tone.PLAIN)


# --- one event ---


def _event(happened: Happened, number: int, now: datetime, zone: ZoneInfo) -> Iterator[str]:
    scale = Scale([happened.at, *(time for item in happened.items for time in _times(item, now))])
    yield f'<article class="card" id="event-{number}" style="{_grid(scale)}">'
    ticks, whole = scale.ticks(), span(_end(happened, now) - happened.at)
    yield f"<h2>{_e(_title(happened))} <small>{whole} in all</small></h2>"
    if happened.event:
        yield f'<p class="id">{_e(happened.event)}</p>'
    if happened.text:
        yield f"<blockquote>{_e(happened.text)}</blockquote>"
    yield from _axis([(f"+{span(at - ticks[0][0])}" if at > ticks[0][0] else "0", place) for at, place in ticks])
    lanes = sorted(happened.items, key=lambda item: LANES.index(item.lane))
    for lane, items in groupby(lanes, key=lambda item: item.lane):
        yield f"<section><h3>{_e(lane.capitalize())}</h3>"
        for item in items:
            yield from _row(item, scale, now, zone)
        yield "</section>"
    yield "</article>"


def _row(item: Item, scale: Scale, now: datetime, zone: ZoneInfo) -> Iterator[str]:
    how_long = lasts(item, now)
    if item.at > now:
        bar = f'<span class="label due">{how_long}</span>'
    elif not item.lasts:
        bar = f'<span class="dot {item.tone}" style="left:{scale.place(item.at):.2f}%"></span>'
    else:
        end = now if item.open else item.until
        bar = _bar(scale, item.at, end, tone=item.tone, is_open=item.open, label=how_long)
    mark = '<span class="bang" aria-label="went wrong">!</span> ' if item.tone is Tone.BAD else ""
    yield f'<details><summary class="row"><span class="time">{_time(item.at, zone)}</span>'
    yield f'<span class="what">{mark}{_e(item.what)}</span><span class="track">{bar}</span></summary>'
    yield '<div class="more">'
    yield f"<p>{_e(_when(item, now, zone))}</p>"
    yield from (f"<p>{_e(detail)}</p>" for detail in item.details)
    if item.length is not None:
        yield f"<p>{item.length} characters of text</p>"
    if item.text:
        yield f"<blockquote>{_e(item.text)}</blockquote>"
    yield "</div></details>"


def _when(item: Item, now: datetime, zone: ZoneInfo) -> str:
    begun = clock(item.at, zone)
    if not item.lasts:
        return f"due at {begun}" if item.at > now else f"at {begun}"
    if item.open:
        return f"since {begun}, still open"
    return f"from {begun} to {clock(item.until, zone)}" if item.until else f"from {begun}; nobody wrote down until when"


def _title(happened: Happened) -> str:
    if not happened.event:
        return "Belongs to no event that is shown"
    number = f"#{happened.number} " if happened.number else ""
    return f"{number}{happened.kind}, {happened.state or 'never in its mailbox'}, {happened.length} characters"


# --- drawing ---


def _times(item: Item, now: datetime) -> Sequence[datetime]:
    """The times of an item that stand on the picture: what is only due does not."""
    if item.at > now:
        return ()
    end = now if item.open else item.until
    return (item.at, end) if end else (item.at,)


def _bar(scale: Scale, begun: datetime, end: datetime | None, *, tone: Tone, is_open: bool, label: str) -> str:
    left, right = scale.place(begun), scale.place(end or begun)
    shape = " open" if is_open else "" if end else " unknown"
    bar = f'<span class="bar {tone}{shape}" style="left:min({left:.2f}%,100% - 4px);width:{right - left:.2f}%"></span>'
    if right < 78:
        place = f"left:{right:.2f}%"
    elif left > 22:
        place = f"right:{100 - left:.2f}%"
    else:
        place = f"left:{left:.2f}%"
    inside = "" if right < 78 or left > 22 else f" inside on-{tone}"
    return f'{bar}<span class="label{inside}" style="{place}">{label}</span>'


def _axis(ticks: Sequence[tuple[str, float]]) -> Iterator[str]:
    yield '<div class="row axis" aria-hidden="true"><span class="track">'
    for index, (label, place) in enumerate(ticks):
        edge = "first" if index == 0 else "last" if index == len(ticks) - 1 else "middle"
        yield f'<span class="tick {edge}" style="left:{place:.2f}%">{label}</span>'
    yield "</span></div>"


def _grid(scale: Scale) -> str:
    lines = [
        f"linear-gradient(to right,transparent {place:.2f}%,var(--line) {place:.2f}% calc({place:.2f}% + 1px),transparent 0)"
        for _, place in scale.ticks()[:-1]
    ]
    return f"--grid:{','.join(lines) or 'none'}"


def _time(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local:%H:%M:%S}<small>.{local.microsecond // 1000:03d}</small>"


def _e(text: str) -> str:
    return escape(text.translate(_UNSEEN))

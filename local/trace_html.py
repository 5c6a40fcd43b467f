"""A timeline as one page that needs nothing else: no script, no network; every row opens by mouse, touch or keyboard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

from local import trace_draw as draw
from local import trace_waterfall
from local.trace_scale import Scale
from local.trace_spans import Trace
from local.trace_text import clock, lasts, span
from shared.pipeline.timeline_views import LANES, Happened, Item, Lane, Timeline, Tone

STYLE = Path(__file__).with_name("trace.css")
_LEGEND = {Tone.GOOD: "went well", Tone.PLAIN: "took place", Tone.WAITING: "waited", Tone.BAD: "went wrong"}


def page(timeline: Timeline, zone: ZoneInfo, traces: Sequence[Trace] = ()) -> str:
    """The whole page; `traces`: the spans that were kept of it."""
    name = timeline.event or timeline.conversation
    body = [*_header(timeline, zone)]
    if len(timeline.happened) > 1:
        body += _overview(timeline, zone)
    for number, happened in enumerate(timeline.happened):
        body += _event(happened, number, timeline.now, zone)
    if not timeline.happened:
        body.append('<p class="note">Nothing has happened here, or nothing is kept of it.</p>')
    for trace in traces:
        body += trace_waterfall.card(trace, zone)
    body += [f'<p class="note">{draw.safe(note)}</p>' for note in timeline.notes]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>What happened: {draw.safe(name)}</title>",
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
    yield f'<p class="id">{draw.safe(timeline.event or timeline.conversation)}</p>'
    where = f" in <b>{draw.safe(timeline.conversation)}</b>" if timeline.event else ""
    events = "" if timeline.event else f"{count} event{'s' * (count != 1)}. "
    yield f"<p>{events}As it stood at {clock(timeline.now, zone)}{where}; times in {draw.safe(zone.key)}."
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
    yield f'<nav class="card" aria-label="Events" style="{draw.grid(scale)}">'
    yield from draw.axis([(f"{at.astimezone(zone):%H:%M:%S}", place) for at, place in scale.ticks()])
    for number, (happened, end) in enumerate(zip(timeline.happened, ends, strict=True)):
        length = span(end - happened.at)
        is_open = any(item.open for item in happened.items)
        bar = draw.bar(scale, happened.at, end, tone=_tone(happened), is_open=is_open, label=length)
        yield f'<a class="row" href="#event-{number}"><span class="time">{draw.time(happened.at, zone)}</span>'
        yield f'<span class="what">{draw.safe(_title(happened))}</span><span class="track">{bar}</span></a>'
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
    yield f'<article class="card" id="event-{number}" style="{draw.grid(scale)}">'
    ticks, whole = scale.ticks(), span(_end(happened, now) - happened.at)
    yield f"<h2>{draw.safe(_title(happened))} <small>{whole} in all</small></h2>"
    if happened.event:
        yield f'<p class="id">{draw.safe(happened.event)}</p>'
    if happened.text:
        yield f"<blockquote>{draw.safe(happened.text)}</blockquote>"
    yield from draw.axis([(f"+{span(at - ticks[0][0])}" if at > ticks[0][0] else "0", place) for at, place in ticks])
    lanes = sorted(happened.items, key=lambda item: LANES.index(item.lane))
    for lane, items in groupby(lanes, key=lambda item: item.lane):
        yield f"<section><h3>{draw.safe(lane.capitalize())}</h3>"
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
        bar = draw.bar(scale, item.at, end, tone=item.tone, is_open=item.open, label=how_long)
    mark = '<span class="bang" aria-label="went wrong">!</span> ' if item.tone is Tone.BAD else ""
    yield f'<details><summary class="row"><span class="time">{draw.time(item.at, zone)}</span>'
    yield f'<span class="what">{mark}{draw.safe(item.what)}</span><span class="track">{bar}</span></summary>'
    yield '<div class="more">'
    yield f"<p>{draw.safe(_when(item, now, zone))}</p>"
    yield from (f"<p>{draw.safe(detail)}</p>" for detail in item.details)
    if item.length is not None:
        yield f"<p>{item.length} characters of text</p>"
    if item.text:
        yield f"<blockquote>{draw.safe(item.text)}</blockquote>"
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


def _times(item: Item, now: datetime) -> Sequence[datetime]:
    """The times of an item that stand on the picture: what is only due does not."""
    if item.at > now:
        return ()
    end = now if item.open else item.until
    return (item.at, end) if end else (item.at,)

"""A trace as a waterfall: each span below the one that it belongs to, on one scale."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from local import trace_draw as draw
from local.trace_scale import Scale
from local.trace_spans import Placed, Trace, about
from local.trace_text import clock
from local.trace_text import span as human
from shared.pipeline.timeline_views import Tone

_STAGES = ("server", "consumer", "producer")
"""What is painted as a stage; the rest is what a stage did."""


def card(trace: Trace, zone: ZoneInfo) -> Iterator[str]:
    """The picture of one trace."""
    scale = Scale([at for one in trace.spans for at in (one.span.started, one.span.ended)])
    ticks, count = scale.ticks(), len(trace.spans)
    processes = len({one.span.process for one in trace.spans})
    in_all = f"{count} span{'s' * (count != 1)} of {processes} process{'es' * (processes != 1)}, {human(trace.lasted)}"
    yield f'<article class="card trace" style="{draw.grid(scale)}">'
    yield f"<h2>Trace <small>{in_all} in all</small></h2>"
    yield f'<p class="id">{draw.safe(trace.id)}</p>'
    yield from draw.axis([(f"+{human(at - ticks[0][0])}" if at > ticks[0][0] else "0", place) for at, place in ticks])
    for one in trace.spans:
        yield from _row(one, scale, zone)
    yield "</article>"


def _row(one: Placed, scale: Scale, zone: ZoneInfo) -> Iterator[str]:
    span = one.span
    tone = Tone.BAD if span.failed else Tone.GOOD if span.kind in _STAGES else Tone.PLAIN
    if span.name == "answer":
        tone = Tone.WAITING
    bar = draw.bar(scale, span.started, span.ended, tone=tone, is_open=False, label=human(one.lasted))
    mark = '<span class="bang" aria-label="went wrong">!</span> ' if span.failed else ""
    yield f'<details><summary class="row"><span class="time">{draw.time(span.started, zone)}</span>'
    yield f'<span class="what" style="padding-left:{one.depth * 0.9:.1f}em">{mark}{draw.safe(span.name)}</span>'
    yield f'<span class="track">{bar}</span></summary><div class="more">'
    yield f"<p>from {clock(span.started, zone)}, {human(one.lasted)}, in process {span.process}</p>"
    if said := about(span):
        yield f"<p>{draw.safe(', '.join(said))}</p>"
    yield from (f"<p>{draw.safe(f'{name}: {value}')}</p>" for name, value in sorted(span.attributes.items()))
    yield from (f"<p>linked with {draw.safe(link)}</p>" for link in span.links)
    if one.orphan:
        yield "<p>what it belongs to is not kept: its process died before that was written, or it is too old</p>"
    yield "</div></details>"

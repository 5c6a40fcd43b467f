"""`python -m local trace`: what happened to a message or in a conversation, for whoever runs this assistant."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from local import trace_file, trace_html, trace_spans, trace_text
from shared.app import App
from shared.messages import NotThere, PraxosError

if TYPE_CHECKING:
    from shared.pipeline.timeline_views import Timeline


def main(arguments: argparse.Namespace) -> int:
    """Print a timeline, or what could be one; return 1 where there is none."""
    try:
        return asyncio.run(_run(arguments))
    except PraxosError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{arguments.html}: {error.strerror}", file=sys.stderr)
        return 1


async def _run(arguments: argparse.Namespace) -> int:
    app = App()
    try:
        zone = ZoneInfo(app.settings.time_zone)
        if not arguments.of:
            recent = _recent(app, arguments.limit)
            as_json = json.dumps([{"conversation": one.conversation, "at": one.at.isoformat()} for one in recent])
            _print(as_json if arguments.json else trace_text.conversations(recent, zone))
            return 0
        timeline = await _timeline(app, arguments)
        traces = await asyncio.to_thread(trace_spans.of, app.settings, [one.event for one in timeline.happened])
    finally:
        await app.close()
    if arguments.html:
        page = trace_html.page(timeline, zone, traces)
        await asyncio.to_thread(Path(arguments.html).write_bytes, page.encode("utf-8", "replace"))
        print(f"Written to {arguments.html}", file=sys.stderr)
    if arguments.json:
        _print(json.dumps({**timeline.model_dump(mode="json"), "traces": trace_spans.as_json(traces)}))
    elif not arguments.html:
        _print("\n".join([trace_text.timeline(timeline, zone), *trace_spans.lines(traces)]))
    return 0


async def _timeline(app: App, arguments: argparse.Namespace) -> Timeline:
    """The timeline; of an event whose conversation the store cannot tell, the data folder's file can."""
    how = {"limit": arguments.limit, "text": arguments.text}
    try:
        return await app.timelines.of(arguments.of, conversation=arguments.conversation, **how)
    except NotThere:
        key = "" if arguments.conversation else trace_file.where(app.settings, arguments.of)
        if not key:
            raise
        return await app.timelines.of(arguments.of, conversation=key, **how)


def _recent(app: App, limit: int) -> list[trace_file.Recent]:
    recent = trace_file.recent(app.settings, limit)
    if recent is None:
        raise NotThere("Name an event or a conversation: only the store on this machine can list what was active last.")
    return recent


def _print(text: str) -> None:
    """Without what a terminal would act on: what people wrote must not move the cursor or set the title."""
    print("".join(letter for letter in text if letter.isprintable() or letter in "\n\t"))

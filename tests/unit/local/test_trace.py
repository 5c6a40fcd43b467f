"""`python -m local trace` as an operator meets it: in the terminal, as JSON and as a page."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from local import trace_html, trace_text
from local.trace_scale import Scale
from shared.agent.turn import Control, Outcome, Segment
from shared.messages import EventKind, NotTaken, Permanent
from shared.pipeline.timeline_views import Happened, Item, Lane, Timeline, Tone
from shared.telemetry import kept
from tests.fakes import courses
from tests.fakes.world import World

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = '</blockquote><script src="https://evil.example/x.js">alert(1)</script>\x1b[2J\u202e"\'&'
AT = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A conversation with an answered message and a dead letter, and one that waits for an approval."""
    made = World(tmp_path)
    await made.arrive(HOSTILE, n=1)
    made.channel.outcomes.append(NotTaken("slow down", retry_after=5))
    await made.settle()
    await made.pass_(seconds=60)
    made.assistant.troubles.append(Permanent("no such <model>"))
    await made.arrive("second", n=2)
    await made.settle()

    async def ask(segment: Segment, _: Control) -> Outcome:
        return courses.asks(segment, courses.approval())

    made.assistant.course = ask
    made.clock.pass_(seconds=60)
    await made.arrive("forget me", n=3, chat="other")
    await made.settle()
    yield made
    await made.close()


async def run(home: Path, *arguments: str, **environ: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "local", "trace", *arguments, cwd=ROOT,
        env={**os.environ, "PRAXOS_HOME": str(home), **environ},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode(), err.decode()


# --- the command ----------------------------------------------------------------------------------------------


async def test_a_conversation_in_the_terminal_in_its_own_zone_and_without_text(world: World) -> None:
    code, out, err = await run(world.home, "main:fake:bot:chat", PRAXOS_TIME_ZONE="Asia/Tokyo")
    assert (code, err) == (0, "")
    assert out.startswith("main:fake:bot:chat, times in Asia/Tokyo\n")
    begun = world.say("").received_at - timedelta(seconds=120)
    assert f"{begun.astimezone(ZoneInfo('Asia/Tokyo')):%H:%M:%S}.000 " in out
    assert out.index("main:fake:bot:1") < out.index("main:fake:bot:2"), "the newest comes last"
    for words in ("run finished", "segment 1: failed", "reply: sent", "first try", "no such <model>", "the person was"):
        assert words in out
    assert "alert" not in out


async def test_with_text_nothing_is_printed_that_a_terminal_acts_on(world: World) -> None:
    code, out, _ = await run(world.home, "main:fake:bot:chat", "--text")
    assert code == 0
    assert "alert(1)" in out
    assert "\x1b" not in out
    assert "\u202e" not in out


async def test_an_event_is_found_without_its_conversation_on_this_machine(world: World) -> None:
    code, out, err = await run(world.home, "main:fake:bot:1", "--json")
    assert (code, err) == (0, "")
    timeline = json.loads(out)
    assert (timeline["event"], timeline["conversation"]) == ("main:fake:bot:1", "main:fake:bot:chat")
    [happened] = timeline["happened"]
    assert (happened["event"], happened["text"]) == ("main:fake:bot:1", "")
    code, out, _ = await run(world.home, "main:fake:bot:3", "--in", "main:fake:bot:other")
    assert "asks for approval: open" in out


async def test_limits(world: World) -> None:
    _, out, _ = await run(world.home, "main:fake:bot:chat", "--limit", "1")
    assert "main:fake:bot:1 " not in out
    assert "Only the last 1 events are shown; a higher limit shows more." in out
    for limit in ("0", "x", "1001"):
        code, out, err = await run(world.home, "main:fake:bot:chat", "--limit", limit)
        assert (code, out) == (2, "")
        assert "usage" in err


async def test_without_an_id_the_conversations_that_were_active_last(world: World, tmp_path: Path) -> None:
    code, out, err = await run(world.home)
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert first.endswith("main:fake:bot:other  1 event")
    assert second.endswith("main:fake:bot:chat  2 events")
    _, out, _ = await run(world.home, "--limit", "1", "--json")
    assert [one["conversation"] for one in json.loads(out)] == ["main:fake:bot:other"]
    code, out, _ = await run(tmp_path / "another")
    assert (code, out) == (0, "No conversation is kept here.\n")


@pytest.mark.parametrize("arguments", [("nonsense",), ("main:fake:bot:99",), ("main:fake:bot:1", "--in", "elsewhere")])
async def test_an_unknown_id_says_how_to_find_one(world: World, arguments: tuple[str, ...]) -> None:
    code, out, err = await run(world.home, *arguments)
    assert (code, out) == (1, "")
    assert "--in CONVERSATION" in err
    assert len(err.splitlines()) == 1


async def test_a_page_is_written_where_it_was_asked_for(world: World, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    code, out, err = await run(world.home, "main:fake:bot:chat", "--html", str(page))
    assert (code, out, err) == (0, "", f"Written to {page}\n")
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    code, out, err = await run(world.home, "main:fake:bot:chat", "--html", str(tmp_path / "no" / "page.html"))
    assert (code, out, len(err.splitlines())) == (1, "", 1)


# --- the page -------------------------------------------------------------------------------------------------


class Outline(HTMLParser):
    """The elements of a page and what is said in them. It fails where they are not closed as they were opened."""

    VOID = ("meta",)

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.said: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open[-1] != "style":
            self.said.append(data)


async def page_of(world: World, id: str = "main:fake:bot:chat", *, text: bool = False) -> str:
    return trace_html.page(await world.app.timelines.of(id, text=text), ZoneInfo("UTC"))


async def test_what_people_wrote_is_text_on_the_page_and_never_markup(world: World) -> None:
    page = await page_of(world, text=True)
    outline = Outline(page)
    assert not {"script", "img", "link", "iframe", "object"} & set(outline.seen)
    assert any('<script src="https://evil.example/x.js">alert(1)</script>' in said for said in outline.said)
    assert not any(name.startswith("on") or name in ("src", "srcset") for name, _ in outline.attributes)
    assert "\u202e" not in page
    assert "\x1b" not in page


async def test_what_the_store_holds_as_ids_and_reasons_is_no_markup_either() -> None:
    item = Item(lane=Lane.EFFECTS, at=AT, lasts=True, until=AT, what=HOSTILE, details=(HOSTILE,), text=HOSTILE)
    one = Happened(event=HOSTILE, state=HOSTILE, kind=EventKind.MESSAGE, at=AT, text=HOSTILE, items=(item,))
    timeline = Timeline(conversation=HOSTILE, event=HOSTILE, now=AT, happened=(one,), notes=(HOSTILE,))
    assert "script" not in Outline(trace_html.page(timeline, ZoneInfo("UTC"))).seen


async def test_the_page_needs_nothing_from_elsewhere(world: World) -> None:
    page = await page_of(world)
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|url\(|@import", page)
    links = [value for name, value in Outline(page).attributes if name == "href"]
    assert links == ["#event-0", "#event-1"]
    for target in links:
        assert f'id="{target[1:]}"' in page
    assert "prefers-color-scheme: dark" in page
    assert "width=device-width" in page


async def test_the_structure_of_a_page(world: World) -> None:
    outline = Outline(await page_of(world, "main:fake:bot:2"))
    assert [tag for tag in outline.seen if tag in ("h1", "h2", "h3", "article", "nav", "details")] == [
        "h1", "article", "h2", *("h3", "details"), *("h3", "details", "details"), *("h3", "details"),
        *("h3", "details", "details", "details"), *("h3", "details", "details", "details"),
    ]  # fmt: skip
    lanes = ("Intake", "Turn", "Segments", "Delivery", "Dead letters")
    assert [said for said in outline.said if said in lanes] == list(lanes)
    assert outline.seen.count("summary") == outline.seen.count("details"), "each row opens by keyboard"


async def test_what_is_open_is_shown_as_open_and_what_is_due_is_not_on_the_scale(world: World) -> None:
    page = await page_of(world, "main:fake:bot:other")
    assert 'class="bar waiting open"' in page
    assert ">open 0 ms<" in page
    assert '<span class="label due">in 1 d</span>' in page


async def test_every_bar_is_inside_of_its_track(world: World) -> None:
    styles = [value for name, value in Outline(await page_of(world)).attributes if name == "style"]
    bars = [re.findall(r"([\d.]+)%", style)[:1] + re.findall(r"width:([\d.]+)%", style) for style in styles]
    bars = [bar for bar in bars if len(bar) == 2]
    assert bars
    assert all(float(left) >= 0 and float(left) + float(width) <= 100.02 for left, width in bars)


async def test_a_conversation_without_events(world: World) -> None:
    empty = Timeline(conversation="main:fake:bot:chat", now=AT, happened=())
    assert "Nothing has happened here" in trace_html.page(empty, ZoneInfo("UTC"))
    assert "Nothing has happened here" in trace_text.timeline(empty, ZoneInfo("UTC"))


# --- words and numbers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 ms"), (0, "0 ms"), (0.0124, "12 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s"), (4.21, "4.2 s"),
        (59.94, "59.9 s"), (59.96, "1 min"), (185, "3 min 5 s"), (3599.7, "1 h"), (7800, "2 h 10 min"),
        (86399, "23 h 59 min"), (86400, "1 d"), (273_600, "3 d 4 h"), (40_000_000, "462 d 23 h"),
    ],
)  # fmt: skip
def test_durations_are_in_human_units(seconds: float, words: str) -> None:
    assert trace_text.span(timedelta(seconds=seconds)) == words


def test_a_day_is_named_again_where_it_changes() -> None:
    items = [Item(lane=Lane.INTAKE, at=AT + timedelta(hours=n), what="x", tone=Tone.PLAIN) for n in range(3)]
    one = Happened(event="e", at=AT, items=tuple(items))
    timeline = Timeline(conversation="c", now=AT + timedelta(hours=9), happened=(one,))
    days = re.findall(r"^  (\d{4}-\d\d-\d\d)$", trace_text.timeline(timeline, ZoneInfo("UTC")), re.MULTILINE)
    assert days == ["2026-03-01", "2026-03-02"]
    assert "2026-03-01" not in trace_text.timeline(timeline, ZoneInfo("Asia/Tokyo"))


def test_the_scale_keeps_the_order_and_shows_milliseconds_beside_days() -> None:
    times = [AT, AT + timedelta(milliseconds=20), AT + timedelta(seconds=3), AT + timedelta(days=2)]
    scale = Scale([*times, *times])
    places = [scale.place(time) for time in times]
    assert (places[0], round(places[-1], 6)) == (0, 100)
    assert all(a < b for a, b in pairwise(places))
    assert scale.place(AT - timedelta(days=1)) == 0
    assert places[2] < scale.place(AT + timedelta(days=1)) < 100
    assert all(b - a > 15 for (_, a), (_, b) in pairwise(scale.ticks()))
    assert Scale([AT]).place(AT) == 0
    assert Scale([AT]).ticks() == [(AT, 0)]


# --- the spans of a message -----------------------------------------------------------------------------------


def keep_spans(home: Path, event: str) -> str:
    """Two spans of an event, and one whose parent is gone."""
    trace = "a1" * 16
    at = int(AT.timestamp() * 1e9)
    said = json.dumps({"praxos.outcome": HOSTILE, "praxos.channel": "fake"})
    connection = kept.open_to_write(str(home / kept.FILE))
    kept.write(
        connection,
        [
            (trace, "1" * 16, "", "webhook", "server", at, at + 4_000_000, False, event, "c", 1, "{}", "[]"),
            (
                trace,
                "2" * 16,
                "1" * 16,
                "turn",
                "consumer",
                at + 5_000_000,
                at + 905_000_000,
                True,
                event,
                "c",
                2,
                said,
                "[]",
            ),
            (
                trace,
                "3" * 16,
                "9" * 16,
                "delivery",
                "consumer",
                at,
                at,
                False,
                event,
                "c",
                2,
                "{}",
                f'["00-{trace}-{"4" * 16}-01"]',
            ),
        ],
    )
    connection.close()
    return trace


async def test_the_spans_of_a_message_stand_below_its_timeline(world: World) -> None:
    event = "main:fake:bot:1"
    trace = keep_spans(world.home, event)
    code, out, _ = await run(world.home, event)
    assert code == 0
    lines = out[out.index(f"trace {trace}") :].splitlines()
    first, second = (" ".join(line.split()) for line in lines[1:3])
    assert first == "+ 0 ms 4 ms webhook"
    assert second.startswith("+ 5 ms ! 900 ms turn ")
    assert lines[2].index("turn") == lines[1].index("webhook") + 2
    assert "? 0 ms delivery" in " ".join(lines[3].split())
    assert "\x1b" not in out


async def test_the_spans_of_a_message_for_scripts_and_as_a_picture(world: World, tmp_path: Path) -> None:
    event, page = "main:fake:bot:1", tmp_path / "page.html"
    trace = keep_spans(world.home, event)
    code, out, _ = await run(world.home, event, "--json", "--html", str(page))
    assert code == 0
    [found] = json.loads(out)["traces"]
    assert found["trace"] == trace
    assert [(one["name"], one["parent"], one["orphan"]) for one in found["spans"]] == [
        ("webhook", "", False),
        ("turn", "1" * 16, False),
        ("delivery", "9" * 16, True),
    ]
    written = page.read_text()
    assert trace in written
    assert "script" not in Outline(written).seen
    assert written.count("<details>") == written.count("</details>")


async def test_a_file_of_spans_that_cannot_be_read_is_said_in_one_line(world: World) -> None:
    (world.home / kept.FILE).write_bytes(b"no database at all, whatever it is called" * 100)
    code, out, err = await run(world.home, "main:fake:bot:1")
    assert (code, out) == (1, "")
    assert "spans.db could not be read" in err
    assert "Traceback" not in err

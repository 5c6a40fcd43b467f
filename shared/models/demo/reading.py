"""What the demo model makes of its input: the newest message, its context line and files, and tool results after it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import unescape

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage

_CONTEXT = re.compile(r"<context( [^\n]*)>\n")
_FILE = re.compile(r"<file( [^\n]*?)>")
_ATTRIBUTE = re.compile(r""" (\w+)=(?:"([^"]*)"|'([^']*)')""")
_ENTITIES = {"&quot;": '"', "&#10;": "\n", "&#13;": "\r", "&#9;": "\t"}


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that came with the message."""

    name: str
    media_type: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest message of the person, and what happened since."""

    text: str
    now: datetime
    """Aware, in the person's time zone."""
    time_zone: str
    person: str
    reminder: bool
    files: Sequence[Sent]
    first: bool
    """True when nothing was said before."""
    results: Sequence[tuple[ToolCall, ToolMessage]]
    """The tool calls that followed, each with its result."""


def hear(messages: Sequence[BaseMessage]) -> Heard:
    """Read the newest message of the person. Without a context line, the time is now and the zone UTC."""
    place = max((n for n, message in enumerate(messages) if isinstance(message, HumanMessage)), default=-1)
    blocks = _texts(messages[place]) if place >= 0 else [""]
    found = _CONTEXT.match(blocks[0])
    context = _attributes(found[1]) if found else {}
    return Heard(
        text=blocks[0][found.end() :] if found else blocks[0],
        now=datetime.fromisoformat(context["now"]) if "now" in context else datetime.now(UTC),
        time_zone=context.get("time_zone", "UTC"),
        person=context.get("from", ""),
        reminder=context.get("event") == "reminder",
        files=[_sent(head[1]) for block in blocks[1:] if (head := _FILE.match(block))],
        first=not any(isinstance(message, HumanMessage) for message in messages[: max(place, 0)]),
        results=_results(messages[place + 1 :]),
    )


def _texts(message: BaseMessage) -> list[str]:
    if isinstance(message.content, str):
        return [message.content]
    return [block if isinstance(block, str) else str(block.get("text", "")) for block in message.content] or [""]


def _attributes(text: str) -> dict[str, str]:
    return {name: unescape(double or single, _ENTITIES) for name, double, single in _ATTRIBUTE.findall(text)}


def _sent(head: str) -> Sent:
    attributes = _attributes(head)
    size = attributes.get("size", "")
    return Sent(
        name=attributes.get("name", ""),
        media_type=attributes.get("type", ""),
        size=int(size) if size.isdigit() else None,
    )


def _results(messages: Sequence[BaseMessage]) -> list[tuple[ToolCall, ToolMessage]]:
    calls = {call["id"]: call for message in messages if isinstance(message, AIMessage) for call in message.tool_calls}
    return [
        (calls[message.tool_call_id], message)
        for message in messages
        if isinstance(message, ToolMessage) and message.tool_call_id in calls
    ]

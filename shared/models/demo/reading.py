"""What the demo model makes of its input: what the person said in this run, and the tool calls with their results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import unescape

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage

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
    """One message of the person."""

    text: str
    now: datetime
    """Aware, in the person's time zone."""
    time_zone: str
    person: str
    reminder: bool
    files: Sequence[Sent]
    first: bool
    """True when nothing was said before."""
    marked: bool
    """True with a context line, which every real message has."""
    place: int
    """Where it stands among the messages."""


@dataclass(frozen=True, slots=True)
class Done:
    """A tool call and what came of it."""

    call: ToolCall
    result: ToolMessage
    place: int
    """Where the call stands among the messages."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is under way."""

    said: Sequence[Heard]
    """What began it, and what the person said meanwhile, the newest last."""
    done: Sequence[Done]

    def opens(self, heard: Heard) -> bool:
        """True for what was said before anything was called; what came later did not wait for an answer."""
        return not any(done.place < heard.place for done in self.done)


def follow(messages: Sequence[BaseMessage]) -> Run:
    """Read the run that the messages end with.

    A message of the person that stands after a tool's result came in the middle of a run, which began earlier. Of a long
    run only the end may be there, after words on its beginning.
    """
    begin = _begin(messages)
    done = _done(messages, begin)
    first = min((each.place for each in done), default=len(messages))
    said = [_heard(messages, n) for n in range(begin, len(messages)) if isinstance(messages[n], HumanMessage)]
    opening = [heard for heard in said if heard.place < first]
    # Words on what came before look like a message of the person, but for the context line.
    opening = [heard for heard in opening if heard.marked or (heard is opening[-1] and not done)]
    return Run(said=[*opening, *(heard for heard in said if heard.place > first)], done=done)


def _begin(messages: Sequence[BaseMessage]) -> int:
    """Where the run begins that the messages end with: after the last answer."""
    for n in reversed(range(len(messages))):
        message = messages[n]
        answer = isinstance(message, AIMessage) and not message.tool_calls and not message.invalid_tool_calls
        if answer or isinstance(message, SystemMessage):
            return n + 1
    return 0


def hear(messages: Sequence[BaseMessage]) -> Heard:
    """Read the newest message of the person. Without a context line, the time is now and the zone UTC."""
    return _heard(
        messages, max((n for n, message in enumerate(messages) if isinstance(message, HumanMessage)), default=-1)
    )


def _heard(messages: Sequence[BaseMessage], place: int) -> Heard:
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
        marked=found is not None,
        place=place,
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


def _calls(message: BaseMessage) -> list[ToolCall]:
    return message.tool_calls if isinstance(message, AIMessage) else []


def _done(messages: Sequence[BaseMessage], begin: int) -> list[Done]:
    places = {call["id"]: (call, n) for n in range(begin, len(messages)) for call in _calls(messages[n])}
    return [
        Done(call=places[message.tool_call_id][0], result=message, place=places[message.tool_call_id][1])
        for message in messages[begin:]
        if isinstance(message, ToolMessage) and message.tool_call_id in places
    ]

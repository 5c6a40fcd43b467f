"""What the demo model makes of its input: what the person said in this run, and the tool calls with their results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import unescape

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage

_CONTEXT = re.compile(r"<context( [^\n]*)>\n")
_EARLIER = "(Written by Praxos, not by the person:"
"""What the summary of a long run's older steps begins with."""
_NEXT = re.compile(rf"\n\n(?=<context [^\n]*>\n|{re.escape(_EARLIER)})")
"""Messages that follow each other reach a model as one."""
_RESULT = re.compile(r"^(?:- )?Result of (\w+)( \(did not work\))?: (.+)$", re.MULTILINE)
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
    earlier: Sequence[Done] = ()
    """What is left in a summary of calls that are not there any more."""

    def opens(self, heard: Heard) -> bool:
        """True for what was said before anything was called; what came later did not wait for an answer."""
        return not any(done.place < heard.place for done in self.done)


def follow(messages: Sequence[BaseMessage]) -> Run:
    """Read the run that the messages end with.

    A message of the person that stands after a tool's result came in the middle of a run, which began earlier. Of a long
    run only what the person said and the newest steps may be there, with a summary between them.
    """
    begin = _begin(messages)
    done = _done(messages, begin)
    first = min((each.place for each in done), default=len(messages))
    said = [heard for n in range(begin, len(messages)) for heard in _pieces(messages, n)]
    summary = [heard.text for heard in said if heard.text.startswith(_EARLIER)]
    said = [heard for heard in said if not heard.text.startswith(_EARLIER)]
    # Other words on what came before look like a message of the person, but for the context line.
    unmarked = [] if done else said[-1:]
    said = [heard for heard in said if heard.marked or heard.place > first or heard in unmarked]
    return Run(said=said, done=done, earlier=[found for text in summary for found in _summed_up(text)])


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
    place = max((n for n, message in enumerate(messages) if isinstance(message, HumanMessage)), default=-1)
    return _pieces(messages, place)[-1] if place >= 0 else _heard([""], place=-1, first=True)


def _pieces(messages: Sequence[BaseMessage], place: int) -> list[Heard]:
    """What the person said in one message: usually one thing, more where messages were joined."""
    message = messages[place]
    if not isinstance(message, HumanMessage):
        return []
    pieces: list[list[str]] = []
    for block in _texts(message):
        if pieces and not _CONTEXT.match(block) and not block.startswith(_EARLIER):
            pieces[-1].append(block)
        else:
            pieces += [[text] for text in _NEXT.split(block)]
    first = not any(isinstance(other, HumanMessage) for other in messages[:place])
    return [_heard(blocks, place=place, first=first and not n) for n, blocks in enumerate(pieces)]


def _heard(blocks: Sequence[str], *, place: int, first: bool) -> Heard:
    found = _CONTEXT.match(blocks[0])
    context = _attributes(found[1]) if found else {}
    return Heard(
        text=blocks[0][found.end() :] if found else blocks[0],
        now=datetime.fromisoformat(context["now"]) if "now" in context else datetime.now(UTC),
        time_zone=context.get("time_zone", "UTC"),
        person=context.get("from", ""),
        reminder=context.get("event") == "reminder",
        files=[_sent(head[1]) for block in blocks[1:] if (head := _FILE.match(block))],
        first=first,
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


def _summed_up(text: str) -> list[Done]:
    """The results that a summary kept word for word."""
    return [
        Done(
            call=ToolCall(name=name, args={}, id=None),
            result=ToolMessage(result, tool_call_id="", status="error" if failed else "success"),
            place=-1,
        )
        for name, failed, result in _RESULT.findall(text)
    ]

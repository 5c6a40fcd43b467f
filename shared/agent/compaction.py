"""Keeps the state of a long run small: its older steps become a summary, which stands before the newer ones."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from shared.agent import kept_files
from shared.agent.flushes import TOO_LARGE
from shared.messages import TooLarge

MESSAGES = 60
"""Messages of steps from which on the older ones are summarised."""
BYTES = 200_000
KEPT_STEPS = 8
"""The newest, at most, that are left as they are."""
LARGEST = 900_000
"""Bytes of messages with which a run ends."""
LONGEST_SAID = 8_000
"""Characters: what is left of a person's message in a run whose state is large."""
LONGEST_SUMMARY = 6_000
LONGEST_TRANSCRIPT = 40_000
SHOWN_ARGUMENTS = 300
SHOWN_RESULT = 600

SUMMARY = "summary"
"""On the message that holds the summary: its text alone."""
INTRODUCTION = (
    "(Written by Praxos, not by the person: what you did so far for this, in short. What it calls done is done.)"
)

Summarise = Callable[[str, str], Awaitable[str]]
"""From the summary so far and a transcript of steps to the next summary; empty where no model gives one."""


def size(messages: Sequence[BaseMessage]) -> int:
    """About how many bytes the messages take."""
    return sum(map(_bytes, messages))


def due(messages: Sequence[BaseMessage]) -> bool:
    """True when the state is so large that older steps should go."""
    steps = sum(not isinstance(message, HumanMessage) for message in messages)
    return steps > MESSAGES or size(messages) > BYTES


async def compact(messages: Sequence[BaseMessage], *, summarise: Summarise) -> Sequence[BaseMessage]:
    """The state with its older steps summarised. The same object where nothing can go. Raises TooLarge.

    A step is a model's message with all of its results, so none is ever split; the person's own messages stay.
    """
    if not due(messages):
        return messages
    old = _old(messages)
    steps = [message for message in old if not _is_summary(message)]
    made = messages
    if steps:
        before = next((str(one.additional_kwargs[SUMMARY]) for one in old if _is_summary(one)), "")
        text = await summarise(before, transcript(steps)) or _plain(before, steps)
        made = _replaced(messages, old, _message(text[:LONGEST_SUMMARY], old))
    if size(made) > BYTES and any(isinstance(message, AIMessage) for message in made):
        made = [_shortened(message) for message in made]
    if size(made) > LARGEST:
        raise TooLarge(TOO_LARGE)
    return made


def transcript(steps: Sequence[BaseMessage]) -> str:
    """Steps as text, each bounded, the newest of them where all are too much."""
    lines = [line for message in steps for line in _lines(message, SHOWN_ARGUMENTS, SHOWN_RESULT)]
    return "\n".join(lines)[-LONGEST_TRANSCRIPT:]


def _old(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The steps that go, and the summary before them. The newest step always stays, and more while they are small."""
    groups: list[list[BaseMessage]] = []
    for message in messages:
        if isinstance(message, AIMessage):
            groups.append([message])
        elif isinstance(message, ToolMessage) and groups:
            groups[-1].append(message)
    kept, left, room = 0, BYTES // 2, MESSAGES // 2
    for group in reversed(groups):
        left, room = left - size(group), room - len(group)
        if kept and (left < 0 or room < 0 or kept >= KEPT_STEPS):
            break
        kept += 1
    gone = [message for group in groups[: len(groups) - kept] for message in group]
    return [message for message in messages if _is_summary(message)] + gone


def _replaced(messages: Sequence[BaseMessage], old: Sequence[BaseMessage], summary: BaseMessage) -> list[BaseMessage]:
    gone = {id(message) for message in old}
    kept = [message for message in messages if id(message) not in gone]
    first = next(place for place, message in enumerate(kept) if isinstance(message, AIMessage))
    return [*kept[:first], summary, *kept[first:]]


def _message(text: str, old: Sequence[BaseMessage]) -> HumanMessage:
    beside = {
        kept_files.OUT: kept_files.dumped(kept_files.outgoing(old)),
        kept_files.STORED: kept_files.dumped(kept_files.stored(old)),
    }
    return HumanMessage(
        f"{INTRODUCTION}\n<earlier_steps>\n{text}\n</earlier_steps>",
        id=f"summary-{uuid.uuid4().hex}",
        additional_kwargs={SUMMARY: text, **{name: files for name, files in beside.items() if files}},
    )


def _plain(before: str, steps: Sequence[BaseMessage]) -> str:
    """A summary without a model: what was called, and how each call began to answer."""
    lines = [line for message in steps for line in _lines(message, 80, 120)]
    text = "\n".join([before, *lines] if before else lines)
    return text if len(text) <= LONGEST_SUMMARY else f"(…)\n{text[6 - LONGEST_SUMMARY :]}"


def _lines(message: BaseMessage, arguments: int, result: int) -> list[str]:
    if isinstance(message, ToolMessage):
        failed = " (did not work)" if message.status == "error" else ""
        return [f"Result of {message.name}{failed}: {_cut(message.text, result)}"]
    said = [f"Assistant: {_cut(message.text, result)}"] if message.text.strip() else []
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return said + [f"Called {call['name']} with {_cut(_json(call['args']), arguments)}" for call in calls]


def _shortened(message: BaseMessage) -> BaseMessage:
    text = message.content
    if not isinstance(message, HumanMessage) or not isinstance(text, str) or len(text) <= LONGEST_SAID + 100:
        return message
    words = f"{text[:LONGEST_SAID]} … (cut: {len(text) - LONGEST_SAID} more characters)"
    return message.model_copy(update={"content": words})


def _is_summary(message: BaseMessage) -> bool:
    return isinstance(message, HumanMessage) and SUMMARY in message.additional_kwargs


def _bytes(message: BaseMessage) -> int:
    content = message.content if isinstance(message.content, str) else _json(message.content)
    length = len(content) if content.isascii() else len(content.encode("utf-8", "replace"))
    if isinstance(message, AIMessage):
        length += sum(len(_json(call["args"])) for call in message.tool_calls)
    return length


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}…"

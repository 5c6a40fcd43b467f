"""What a model is told: the system prompt from its files, and the person's message with its context and files.

What changes with every message stands in the last message, so that a provider can cache all that comes before it.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from shared import untrusted
from shared.agent import history, kept_files
from shared.agent.turn import Question, Said
from shared.messages import Attachment
from shared.ports import Files

PROMPTS = Path(__file__).parent / "prompts"
IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
TEXT_TYPES = frozenset({"application/json", "application/xml", "application/yaml", "application/x-yaml"})
MAX_FILES = 10
"""The most files of one message whose content a model is given; the rest are named."""
MAX_IMAGE_BYTES = 5_000_000
MAX_TEXT_BYTES = 40_000


@cache
def read(name: str) -> str:
    """A prompt file, without its surrounding blank lines."""
    return (PROMPTS / f"{name}.md").read_text(encoding="utf-8").strip()


def system(*, channel: str, summary: str) -> SystemMessage:
    """The system prompt: the same for everybody on a channel but for the summary at its end."""
    text = f"{read('system')}\n\nThe person talks to you through: {channel}."
    if summary:
        text += f"\n\nWhat was said before the messages below, in short:\n{summary}"
    return SystemMessage(text)


def kept(question: Question) -> HumanMessage:
    """The person's message as a run keeps it: the context line, then the text as it was written.

    Its files are named beside it, and read when a model is asked.
    """
    text = f"{_context_line(question)}\n{question.text}"
    beside = {kept_files.SENT: kept_files.dumped(question.attachments)} if question.attachments else {}
    return HumanMessage(text, id=question.event, additional_kwargs=beside)


async def shown(message: BaseMessage, *, files: Files) -> BaseMessage:
    """A message of a run as a model is given it, with the content of its files."""
    sent = kept_files.readable([message]) if isinstance(message, HumanMessage) and message.additional_kwargs else []
    if not sent:
        return message
    blocks = await _file_blocks(sent, files=files)
    return HumanMessage([_text(message.text), *blocks], id=message.id)


def joined(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The messages with neighbours that are both the person's made one: some models' chat templates refuse two."""
    together: list[BaseMessage] = []
    for message in messages:
        last = together[-1] if together else None
        if isinstance(message, HumanMessage) and isinstance(last, HumanMessage):
            together[-1] = _one(last, message)
        else:
            together.append(message)
    return together


def to_shorten(*, before: str, steps: str) -> list[BaseMessage]:
    """What a model is given to sum up the older steps of a long run."""
    earlier = f"<summary>\n{before}\n</summary>\n\n" if before else ""
    return [SystemMessage(read("steps")), HumanMessage(f"{earlier}<steps>\n{steps}\n</steps>")]


def to_summarise(*, summary: str, said: Sequence[Said]) -> list[BaseMessage]:
    """What a model is given to write the next summary."""
    before = f"<summary>\n{summary}\n</summary>\n\n" if summary else ""
    return [
        SystemMessage(read("summary")),
        HumanMessage(f"{before}<messages>\n{history.transcript(said)}\n</messages>"),
    ]


def _context_line(question: Question) -> str:
    context = question.context("")
    try:
        now = context.now.astimezone(ZoneInfo(context.time_zone))
    except (ZoneInfoNotFoundError, ValueError):
        now = context.now
    attributes = {
        "now": now.isoformat(timespec="minutes"),
        "weekday": f"{now:%A}",
        "time_zone": context.time_zone,
        "from": question.person,
        "language": question.language,
        "event": "reminder" if question.reminder else "",
    }
    return f"<context {' '.join(f'{name}={quoteattr(value)}' for name, value in attributes.items() if value)}>"


async def _file_blocks(attachments: Sequence[Attachment], *, files: Files) -> list[str | dict[str, Any]]:
    blocks: list[str | dict[str, Any]] = []
    for place, attachment in enumerate(attachments):
        head = f"<file name={quoteattr(attachment.name)} type={quoteattr(attachment.media_type)}"
        stored = await files.describe(id=attachment.file) if attachment.file else None
        size = stored.size if stored else attachment.size
        head += f' size="{size}">' if size is not None else ">"
        content = b""
        if stored and place < MAX_FILES and stored.size <= _limit(attachment.media_type):
            content = await files.get(id=stored.id) or b""
        if not stored:
            blocks.append(_text(f"{head}(The file could not be loaded.)</file>"))
        elif not content:
            blocks.append(_text(f"{head}(The content is not shown here.)</file>"))
        elif attachment.media_type in IMAGE_TYPES:
            blocks.append(_text(f"{head}(The picture follows.)</file>"))
            encoded = base64.b64encode(content).decode()
            blocks.append({"type": "image", "base64": encoded, "mime_type": attachment.media_type})
        else:
            shown = untrusted.quoted(content.decode("utf-8", "replace"), source="the file")
            blocks.append(_text(f"{head}\n{shown}\n</file>"))
    return blocks


def _limit(media_type: str) -> int:
    """The largest file of this type, in bytes, that a model is given; 0 where it is only named."""
    if media_type in IMAGE_TYPES:
        return MAX_IMAGE_BYTES
    return MAX_TEXT_BYTES if media_type.startswith("text/") or media_type in TEXT_TYPES else 0


def _one(first: HumanMessage, second: HumanMessage) -> HumanMessage:
    if isinstance(first.content, str) and isinstance(second.content, str):
        return HumanMessage(f"{first.content}\n\n{second.content}", id=second.id)
    blocks = [
        block
        for message in (first, second)
        for block in ([_text(message.content)] if isinstance(message.content, str) else message.content)
    ]
    return HumanMessage(blocks, id=second.id)


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}

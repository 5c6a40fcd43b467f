"""Text files: write one for the person, read one that they sent."""

from __future__ import annotations

import asyncio
import mimetypes
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import PurePath

from pydantic import BaseModel, Field

from shared import excerpt, html
from shared.messages import Attachment, TooLarge
from shared.ports import Effect, Parts, Tool, ToolContext, ToolError, ToolResult
from shared.untrusted import quoted

MAX_CONTENT = 200_000
KEPT = timedelta(days=30)
_NAME_LENGTH = 100
_PROGRAMS = frozenset(
    "bat cmd com cpl dll exe hta jar js jse lnk msi msp pif ps1 reg scf scr url vb vbe vbs wsf wsh".split()
)
"""Extensions that some system runs on a double click: what the assistant writes may stem from a stranger's page."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


class NewFile(BaseModel):
    """A text file to write."""

    name: str = Field(min_length=1, max_length=200, description="Its name with an extension, such as `list.md`.")
    content: str = Field(max_length=MAX_CONTENT, description="All of its text.")


class WhichFile(BaseModel):
    """A file that the person sent."""

    name: str = Field(max_length=300, description="The name of the attached file.")
    start: int = Field(
        0, ge=0, description="Where to go on in a long file: the number that the part before ended with."
    )


class WriteFile:
    """Makes a file that goes to the person with the reply."""

    name = "write_file"
    description = (
        "Write a text file (notes, Markdown, CSV, JSON, code) and send it to the person with the answer, when they ask"
        " for a file or the text is long. The answer need not repeat its content."
    )
    arguments: type[BaseModel] = NewFile
    effect = Effect.WRITE
    progress = "Writing a file"
    repeatable = True
    """What goes to the person is the file that the result names: one from a call that was cut off is seen by nobody."""

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """Store it and attach it."""
        assert isinstance(arguments, NewFile)
        name = _safe(arguments.name)
        media_type = mimetypes.guess_type(name)[0] or "text/plain"
        try:
            stored = await context.files.put(
                owner=context.conversation,
                name=name,
                media_type=media_type,
                content=arguments.content.encode("utf-8", "replace"),
                keep=KEPT,
            )
        except TooLarge:
            raise ToolError(f"{name} is too large to be sent.") from None
        attachment = Attachment(name=name, media_type=media_type, size=stored.size, file=stored.id)
        return ToolResult(f"{name} ({stored.size} bytes) goes to the person with the answer.", (attachment,))


class ReadFile:
    """Returns the text of a file that the person sent."""

    name = "read_file"
    description = "Read the text of a file that the person attached to this message. Long files come in parts."
    arguments: type[BaseModel] = WhichFile
    effect = Effect.READ
    progress = "Reading your file"

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """Return one part of its text."""
        assert isinstance(arguments, WhichFile)
        attachment = _attached(arguments.name, context)
        content = await _content(attachment, context)
        text = await asyncio.to_thread(_text, content)
        if text is None:
            raise ToolError(f"{attachment.name} ({attachment.media_type}) is not a text file; I can read text only.")
        if not text:
            return ToolResult(f"{attachment.name} is empty.")
        part = excerpt.of(text, start=arguments.start)
        return ToolResult(quoted(part.text, source=f"the file {attachment.name}") + part.note)


async def _content(attachment: Attachment, context: ToolContext) -> bytes:
    if not attachment.file:
        raise ToolError(f"{attachment.name} could not be fetched from the chat app; please send it again.")
    stored = await context.files.describe(id=attachment.file)
    # The id came with the event; the file must be this conversation's own all the same.
    content = await context.files.get(id=stored.id) if stored and stored.owner == context.conversation else None
    if content is None:
        raise ToolError(f"{attachment.name} is not there any more; please send it again.")
    return content


def _text(content: bytes) -> str | None:
    """What a text file says; None where the content is no text."""
    text = html.decode(content)
    return None if _CONTROL.search(text) else text.strip()


def _safe(name: str) -> str:
    """A plain file name: no folders, no control characters, no program, with an extension. Raises ToolError."""
    plain = re.sub(r'[\x00-\x1f\x7f<>:"|?*]', "", name.replace("\\", "/").rpartition("/")[2]).strip(" .")
    plain = plain.encode("utf-8", "ignore").decode()
    path = PurePath(plain or "file.txt")
    if path.suffix[1:].lower() in _PROGRAMS:
        raise ToolError(f"I do not write files that open as programs, such as {path.suffix}; use .txt instead.")
    return f"{path.stem[:_NAME_LENGTH]}{path.suffix[:20] or '.txt'}"


def _attached(name: str, context: ToolContext) -> Attachment:
    wanted = name.strip().casefold()
    found = [attachment for attachment in context.attachments if attachment.name.casefold() == wanted]
    if not found and not wanted and len(context.attachments) == 1:
        found = list(context.attachments)
    if found:
        return found[-1]
    names = ", ".join(attachment.name for attachment in context.attachments)
    raise ToolError(
        f"There is no file {name[:80]!r} in this message. {f'There are: {names}.' if names else 'No file came with it.'}"
    )


def build(_: Parts) -> Sequence[Tool]:
    """Writing and reading."""
    return [WriteFile(), ReadFile()]

"""What a tool returned, as the run keeps it: bounded, its files as references, the rest of a long text in a file."""

from __future__ import annotations

from datetime import timedelta

from langchain_core.messages import ToolCall, ToolMessage

from shared import telemetry
from shared.agent import kept_files
from shared.messages import Attachment
from shared.ports import Json, ToolContext, ToolResult

LONGEST = 8 * 1024
"""Bytes, as UTF-8: the most of a result that the state keeps."""
BEGINNING = 6 * 1024
KEPT = timedelta(days=30)

_log = telemetry.logger(__name__)


async def kept(result: ToolResult, *, tool: str, context: ToolContext) -> Json:
    """The result as plain JSON. It is there already, so nothing raises: what cannot be stored is cut."""
    encoded = result.text.encode("utf-8", "replace")
    made: Json = {"text": result.text}
    if result.attachments:
        made[kept_files.OUT] = kept_files.dumped(result.attachments)
    if len(encoded) <= LONGEST:
        return made
    beginning = encoded[:BEGINNING].decode("utf-8", "ignore")
    size = f"{len(encoded) - BEGINNING} of {len(encoded)} bytes are not shown"
    stored = await _stored(encoded, tool=tool, context=context)
    if stored is None:
        return {**made, "text": f"{beginning}\n(Cut here: {size}.)"}
    made[kept_files.STORED] = kept_files.dumped([stored])
    return {
        **made,
        "text": f"{beginning}\n(Cut here: {size}. All of it is in the file {stored.name}, id {stored.file}: read_file"
        " gives you the rest.)",
    }


def message(kept: Json, *, call: ToolCall) -> ToolMessage:
    """A kept result as the model is told it."""
    beside = {name: value for name, value in kept.items() if name != "text"}
    return ToolMessage(kept.get("text", ""), tool_call_id=call["id"], name=call["name"], artifact=beside or None)


async def _stored(content: bytes, *, tool: str, context: ToolContext) -> Attachment | None:
    try:
        file = await context.files.put(
            owner=context.conversation, name=f"{tool}.txt", media_type="text/plain", content=content, keep=KEPT
        )
    except Exception as error:  # noqa: BLE001  the call was done, whatever becomes of its text
        _log.warning("a long result was cut", extra={"fields": {"tool": tool, "error": type(error).__name__}})
        return None
    # Tools find a file by its name, and a run can call one tool many times.
    return Attachment(name=f"{tool}-{file.id[:8]}.txt", media_type=file.media_type, size=file.size, file=file.id)

"""A tool as a model sees it, and a call of it: checked, bounded in time and size, its failures put into words."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import ValidationError

from shared import telemetry
from shared.messages import LeaseLost, QueueUnavailable, StoreUnavailable
from shared.ports import Effect, Tool, ToolContext, ToolError, ToolResult

SECONDS = 30.0
"""How long one call may take."""
RESULT_BYTES = 8 * 1024
"""The most of a result, as UTF-8, that a model is given."""

_log = telemetry.logger(__name__)


class Failed(Exception):
    """A call that did not work. The message is for the model, which tells the person."""


def declare(tools: Sequence[Tool]) -> list[BaseTool]:
    """The tools as a model is told of them. They are called through `call`, never by the library."""
    return [
        StructuredTool(name=tool.name, description=tool.description, args_schema=tool.arguments, coroutine=_never)
        for tool in tools
    ]


async def _never(**_: object) -> None:
    raise NotImplementedError("a declared tool is called by the middleware")


async def call(
    *,
    tool: Tool | None,
    name: str,
    arguments: Mapping[str, Any],
    known: Sequence[str],
    context: Callable[[], ToolContext],
    seconds: float,
) -> ToolResult:
    """Call a tool with a model's arguments; its text is cut at RESULT_BYTES.

    `seconds` is what is left of the turn: a read is cut there, a write may always use its own time. Raises Failed;
    LeaseLost, StoreUnavailable and QueueUnavailable pass, because then the turn itself cannot go on.
    """
    if tool is None:
        raise Failed(f"There is no tool named {name!r}. There are: {', '.join(known)}.")
    try:
        checked = tool.arguments.model_validate(arguments)
    except ValidationError as error:
        raise Failed(f"The arguments are wrong, nothing was done. {_faults(error)}") from None
    writes = tool.effect is not Effect.READ
    try:
        async with asyncio.timeout(SECONDS if writes else min(SECONDS, seconds)):
            result = await tool.call(arguments=checked, context=context())
    except ToolError as error:
        raise Failed(str(error)) from None
    except (LeaseLost, StoreUnavailable, QueueUnavailable):
        raise
    except TimeoutError:
        _log.warning("a tool took too long", extra={"fields": {"tool": name}})
        raise Failed(_too_long(writes=writes)) from None
    except Exception as error:  # noqa: BLE001  a bug of one tool must not end the turn
        _report(name, error)
        raise Failed(
            "This failed for a reason inside Praxos, which its operators can see in the log. "
            "Tell the person that it did not work" + (" and may be half done." if writes else ".")
        ) from None
    return ToolResult(text=cut(result.text), attachments=result.attachments)


def cut(text: str) -> str:
    """The text, at most RESULT_BYTES long, with a note where something is missing."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= RESULT_BYTES:
        return text
    kept = encoded[:RESULT_BYTES].decode("utf-8", "ignore")
    return f"{kept}\n(Cut here: {len(encoded) - RESULT_BYTES} of {len(encoded)} bytes are not shown.)"


def _too_long(*, writes: bool) -> str:
    if writes:
        return (
            "It took too long, and nobody knows whether it was done. Do not call it again: "
            "tell the person that it may or may not have happened and ask what to do."
        )
    return "It took too long and was stopped."


def _faults(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return " ".join(f"{'.'.join(map(str, fault['loc'])) or 'arguments'}: {fault['msg']}." for fault in found[:5])


def _report(name: str, error: Exception) -> None:
    # The exception's own words can hold what a person wrote: the log gets its type and where it came from.
    where = "".join(traceback.format_tb(error.__traceback__))
    fields = {"tool": name, "error": type(error).__name__, "traceback": where}
    _log.error("a tool failed", extra={"fields": fields})

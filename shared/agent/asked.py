"""The questions at which a segment stopped, as the person is asked them."""

from __future__ import annotations

from collections.abc import Mapping

from shared.agent import arguments
from shared.agent.saver import Waiting
from shared.agent.turn import Asked, AskKind
from shared.agent.work import UNCERTAIN
from shared.ports import Asking, Checkable, Tool

LOOK_YOURSELF = (
    "I cannot look that up myself. Please look where it would show, then say whether I should do it again or leave it."
)
STILL_UNKNOWN = "I looked, and still cannot tell. Should I do it again, or leave it?"


def asked(waiting: Waiting, *, tools: Mapping[str, Tool]) -> Asked:
    """A question with its index among those that the same call asked."""
    value = waiting.value
    tool = tools.get(value["name"])
    kind, text, options = _kind(waiting, tool)
    return Asked(
        interrupt=waiting.interrupt,
        index=len(waiting.answered),
        call=value["tool_call_id"],
        kind=kind,
        tool=value["name"],
        arguments=value["args"],
        text=text,
        options=options,
    )


def _kind(waiting: Waiting, tool: Tool | None) -> tuple[AskKind, str, tuple[str, ...]]:
    value = waiting.value
    if value["type"] == UNCERTAIN:
        if value["looked"]:
            return (
                AskKind.UNCERTAIN,
                STILL_UNKNOWN if tool is not None and isinstance(tool, Checkable) else LOOK_YOURSELF,
                ("repeat", "drop"),
            )
        return (
            AskKind.UNCERTAIN,
            f"I do not know whether this was done: {value['why']}. I do not do it again by myself.",
            arguments.SETTLEMENTS,
        )
    if tool is not None and isinstance(tool, Asking):
        text, options = arguments.question_of(tool, value["args"])
        return AskKind.CHOICE if options else AskKind.TEXT, text, options
    return AskKind.APPROVAL, "", ()

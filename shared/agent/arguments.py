"""What models and people give tools, checked against the tool's own model. Cheap to import: intake checks answers with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pydantic import BaseModel, ValidationError

from shared.agent.turn import AskKind
from shared.ports import Asking, Json, Tool

APPROVALS = ("approve", "edit", "reject")
"""What may be answered to an approval."""
SETTLEMENTS = ("check", "repeat", "drop")
"""What may be answered about an effect of which nobody knows whether it happened."""


def check_arguments(tool: Tool, args: Mapping[str, object]) -> str | None:
    """What is wrong with a call's arguments, in words that do not repeat them; None when nothing is."""
    try:
        tool.arguments.model_validate(args)
    except ValidationError as error:
        return faults(error)
    return None


def check_answer(tool: Tool | None, *, kind: AskKind, value: Json) -> str | None:
    """What is wrong with an answer before it is recorded; None when nothing is. Without the tool, an edit is refused."""
    given = value.get("type")
    if kind is AskKind.UNCERTAIN:
        return None if given in SETTLEMENTS else f"One of {', '.join(SETTLEMENTS)} is an answer to this."
    if kind is not AskKind.APPROVAL:
        return None if given == "respond" and isinstance(value.get("message"), str) else "A text is an answer to this."
    if given not in APPROVALS:
        return f"One of {', '.join(APPROVALS)} is an answer to this."
    if given == "edit":
        changed = edited(value)
        if tool is None or changed is None:
            return "The changed arguments are missing."
        return check_arguments(tool, changed)
    return None


def edited(value: Json) -> Mapping[str, object] | None:
    """The arguments of an edit: `{"type": "edit", "arguments": {…}}`, or the library's own `edited_action`."""
    action = value.get("edited_action")
    found = value.get("arguments", action.get("args") if isinstance(action, dict) else None)
    return found if isinstance(found, dict) else None


def faults(error: ValidationError) -> str:
    """What a model says is wrong, without the values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return " ".join(f"{'.'.join(map(str, fault['loc'])) or 'arguments'}: {fault['msg']}." for fault in found[:5])


def fingerprint(args: Mapping[str, object]) -> str:
    """A hash of a call's arguments."""
    text = json.dumps(args, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def question_of(tool: Tool, args: Mapping[str, object]) -> tuple[str, tuple[str, ...]]:
    """What an Asking tool asks with these arguments, and the options."""
    assert isinstance(tool, Asking)
    checked: BaseModel = tool.arguments.model_validate(args)
    text, options = tool.question(arguments=checked)
    return text, tuple(options)

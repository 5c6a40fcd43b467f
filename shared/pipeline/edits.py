"""Changed arguments: what a person wrote after `edit`, merged into what the agent wanted, checked by the tool's own model."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping

from pydantic import BaseModel, ValidationError

from shared.agent.arguments import faults
from shared.ports import Json, Tool

_LINE = re.compile(r"\s*([\w.-]+)\s*:\s*(.*)", re.DOTALL)


class WrongEditError(Exception):
    """A change that does not fit. The message is for the person."""


def edited(tool: Tool | None, arguments: Mapping[str, object], change: str) -> Json:
    """The arguments after a change: `NAME: VALUE` in lines, or a JSON object. Raises WrongEditError."""
    if tool is None:
        raise WrongEditError("I do not have that tool any more.")
    names = {name.casefold(): name for name in _names(tool.arguments)}
    changes = _object(change) if change.startswith("{") else _lines(change, names)
    for name in changes:
        if name not in names.values():
            raise WrongEditError(
                f"There is no “{name[:50]}” in it. There is: {', '.join(names.values()) or 'nothing'}."
            )
    merged = {**arguments, **changes}
    try:
        checked = tool.arguments.model_validate(merged)
    except ValidationError as error:
        raise WrongEditError(faults(error)) from None
    return checked.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _object(change: str) -> Json:
    try:
        found = json.loads(change)
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair can be written as JSON, but not kept
    except (ValueError, RecursionError):
        raise WrongEditError("I could not read that as JSON.") from None
    if not isinstance(found, dict):
        raise WrongEditError("The JSON is not an object.")
    return found


def _lines(change: str, names: Mapping[str, str]) -> Json:
    """A line that begins with no known name goes on with the value before it."""
    changes: dict[str, str] = {}
    last = ""
    for line in change.splitlines():
        found = _LINE.fullmatch(line)
        if found and (found[1].casefold() in names or not last):
            last = names.get(found[1].casefold(), found[1])
            changes[last] = found[2].strip()
        elif last:
            changes[last] = f"{changes[last]}\n{line}".strip()
    return {name: _value(text) for name, text in changes.items()}


def _value(text: str) -> object:
    """A value as it was typed; a list or an object is read as JSON where it is that."""
    for beginning, end in _pairs():
        if text.startswith(beginning) and text.endswith(end):
            try:
                return json.loads(text)
            except (ValueError, RecursionError):
                return text
    return text


def _pairs() -> Collection[tuple[str, str]]:
    return (("[", "]"), ("{", "}"), ('"', '"'))

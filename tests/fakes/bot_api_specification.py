"""Checks calls of the Bot API against its machine-readable specification, where that is present."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAME = "telegram-bot-api.json"


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that came with a multipart call."""

    file_name: str
    media_type: str
    content: bytes


def find() -> Path | None:
    """The specification: in PRAXOS_SPECS, else in `specs` next to PRAXOS_PAYLOADS."""
    if folder := os.environ.get("PRAXOS_SPECS"):
        path = Path(folder) / NAME
    elif folder := os.environ.get("PRAXOS_PAYLOADS"):
        path = Path(folder).parent / "specs" / NAME
    else:
        return None
    return path if path.is_file() else None


class Specification:
    """Knows every method and type of the Bot API."""

    def __init__(self, path: Path) -> None:
        document = json.loads(path.read_text())
        self.version: str = document["version"]
        self.methods: Mapping[str, Any] = document["methods"]
        self.types: Mapping[str, Any] = document["types"]

    def violations(self, method: str, parameters: Mapping[str, Any], *, form: bool = False) -> list[str]:
        """What is wrong with a call; `form`: its values came as strings, as forms and query strings have them."""
        known = self.methods.get(method)
        if known is None:
            return [f"{method}: no such method"]
        return self._fields(method, known.get("fields", []), parameters, form=form)

    def _fields(self, where: str, fields: list[Any], values: Mapping[str, Any], *, form: bool = False) -> list[str]:
        known = {field["name"]: field for field in fields}
        found = [f"{where}: {name} is unknown" for name in values if name not in known]
        for name, field in known.items():
            if name not in values:
                if field["required"]:
                    found.append(f"{where}: {name} is missing")
                continue
            value = values[name]
            types = field["types"]
            if form and isinstance(value, str) and "String" not in types:
                try:
                    value = json.loads(value)
                except ValueError:
                    found.append(f"{where}: {name} is no JSON")
                    continue
            found += self._value(f"{where}.{name}", types, value)
        return found

    def _value(self, where: str, types: list[str], value: Any) -> list[str]:
        best: list[str] = []
        for one in types:
            wrong = self._one(where, one, value)
            if not wrong:
                return []
            best = wrong if not best or len(wrong) < len(best) else best
        return best

    def _one(self, where: str, kind: str, value: Any) -> list[str]:
        if kind.startswith("Array of "):
            if not isinstance(value, list):
                return [f"{where}: no array"]
            inner = kind.removeprefix("Array of ")
            return [wrong for index, one in enumerate(value) for wrong in self._one(f"{where}[{index}]", inner, one)]
        if kind in _SIMPLE:
            return [] if _SIMPLE[kind](value) else [f"{where}: {type(value).__name__} instead of {kind}"]
        known = self.types[kind]
        if known.get("subtypes"):
            return self._value(where, known["subtypes"], value)
        if not isinstance(value, dict):
            return [f"{where}: {type(value).__name__} instead of {kind}"]
        return self._fields(where, known.get("fields", []), value)


_SIMPLE = {
    "Integer": lambda value: type(value) is int,
    "Float": lambda value: type(value) in (int, float),
    "Boolean": lambda value: type(value) is bool,
    "String": lambda value: isinstance(value, str),
    "InputFile": lambda value: isinstance(value, UploadedFile),
}

"""The commands that people can type, defined once; each channel shows them in its own way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "help": "What I can do",
        "status": "What I am doing right now",
        "stop": "Stop what I am doing",
        "new": "Start a fresh conversation",
        "queue": "What a message does while I work",
        "link": "Use me from another app as the same person",
    }
)
"""Name and description, in the order of a menu."""

HIDDEN = frozenset({"start", "claim"})
"""Commands that work but are in no menu: Telegram sends `start` by itself, `claim` is used once."""

_COMMON = re.compile(r"(?:help(?: me)?|what can you do(?: for me)?)[\s?!.]*", re.IGNORECASE)
"""Questions that have the same answer for everybody: it is there at once, without a model."""


@dataclass(frozen=True, slots=True)
class Command:
    """A recognised command."""

    name: str
    argument: str


def recognise(text: str) -> Command | None:
    """The command that a text is, or None. A slash before an unknown word is no command: it goes to the assistant."""
    if _COMMON.fullmatch(text):
        return Command(name="help", argument="")
    if not text.startswith("/"):
        return None
    name, _, argument = text[1:].strip().partition(" ")
    name = name.lower()
    return Command(name=name, argument=argument.strip()) if name in COMMANDS or name in HIDDEN else None

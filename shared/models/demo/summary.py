"""A summary by rules: what the person said, in short, the newest last."""

from __future__ import annotations

import re

_TASK = "running summary"
_SUMMARY = re.compile(r"<summary>\n(.*?)\n</summary>", re.DOTALL)
_MESSAGES = re.compile(r"<messages>\n(.*)\n</messages>", re.DOTALL)
_SAID = re.compile(r"^Person: (.+)$", re.MULTILINE)
LINE = 160
LINES = 30


def is_asked_for(system: str) -> bool:
    """True when the system prompt is the one for summaries."""
    return _TASK in system[:200]


def write(text: str) -> str:
    """The old summary's lines and one for each message of the person, at most LINES of LINE characters."""
    old, new = _SUMMARY.search(text), _MESSAGES.search(text)
    lines = old[1].splitlines() if old else []
    lines += [f"- They said: {said[:LINE]}" for said in _SAID.findall(new[1] if new else "")]
    return "\n".join(lines[-LINES:])

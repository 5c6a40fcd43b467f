"""Summaries by rules: of a conversation what the person said, of a run's steps what came of them; the newest last."""

from __future__ import annotations

import re

_TASK = "running summary"
_SUMMARY = re.compile(r"<summary>\n(.*?)\n</summary>", re.DOTALL)
_MESSAGES = re.compile(r"<messages>\n(.*)\n</messages>", re.DOTALL)
_STEPS = re.compile(r"<steps>\n(.*)\n</steps>", re.DOTALL)
_RESULT = re.compile(r"^Result of (?!pause\b).+$", re.MULTILINE)
_SAID = re.compile(r"^Person: (.+)$", re.MULTILINE)
LINE = 160
LINES = 30
RESULT = 400
NO_RESULTS = "- So far there was nothing but waiting."


def is_asked_for(system: str) -> bool:
    """True when the system prompt is the one for summaries."""
    return _TASK in system[:200]


def write(text: str) -> str:
    """The old summary's lines and one for each message of the person, or each result, at most LINES of them."""
    old, new = _SUMMARY.search(text), _MESSAGES.search(text)
    lines = old[1].splitlines() if old else []
    lines += [f"- They said: {said[:LINE]}" for said in _SAID.findall(new[1] if new else "")]
    if steps := _STEPS.search(text):
        results = [f"- {result[:RESULT]}" for result in _RESULT.findall(steps[1])]
        lines = [line for line in lines if line != NO_RESULTS] + results or [NO_RESULTS]
    return "\n".join(lines[-LINES:])

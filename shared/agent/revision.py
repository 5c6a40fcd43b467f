"""Which agent this is: a run that another one began is not simply gone on with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.ports import Asking, Tool

FORMAT = 1
"""Of the state, the ledger's keys and the interrupts. It goes up when the code cannot go on with what it wrote before."""
MIDDLEWARE = ("AskModel", "Gate", "Approval", "Effects")
"""The graph's, in their order."""
PROMPTS = Path(__file__).parent / "prompts"


def revision(tools: Sequence[Tool]) -> str:
    """A hash of what makes an agent: prompts, tools and middleware."""
    return named(made_of(tools))


def made_of(tools: Sequence[Tool]) -> dict[str, Any]:
    """What makes an agent, as JSON."""
    return {
        "format": FORMAT,
        "middleware": list(MIDDLEWARE),
        "prompts": {path.name: path.read_text(encoding="utf-8") for path in sorted(PROMPTS.glob("*.md"))},
        "tools": {
            tool.name: [tool.effect.value, isinstance(tool, Asking), tool.arguments.model_json_schema()]
            for tool in tools
        },
    }


def named(made: dict[str, Any]) -> str:
    """The revision of an agent that is made of this."""
    text = json.dumps(made, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]

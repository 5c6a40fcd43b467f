"""What a turn gives the agent, and what it gets back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from shared.messages import Attachment
from shared.ports import ToolContext


class Role(StrEnum):
    """Who said something."""

    PERSON = "person"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a conversation's history."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a person said, and what the agent needs to answer it."""

    event: str
    text: str
    attachments: Sequence[Attachment]
    person: str
    """The person's name, or empty."""
    language: str
    channel: str
    reminder: bool
    """True when this is not the person speaking but a reminder of theirs coming due."""
    history: Sequence[Said]
    """The recent messages word for word, the oldest first."""
    summary: str
    """What came before them, in short; empty when nothing did."""
    context: Callable[[str], ToolContext]
    """Makes a tool call's context from its position in the turn."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the assistant says, and what it cost."""

    text: str
    attachments: Sequence[Attachment] = ()
    model: str = ""
    model_calls: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class Control(Protocol):
    """The turn's side of the conversation with the agent."""

    deadline: float
    """On the clock's monotonic scale: when the turn's time is spent."""

    async def before_step(self) -> None:
        """Called before every model and tool call. Raises LeaseLost when the turn is no longer ours."""

    async def progress(self, text: str) -> None:
        """Tell the person what is being done. Best effort; returns at once."""

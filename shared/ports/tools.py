"""The tools: what the assistant can do, and what a call of one may lean on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from pydantic import BaseModel

from shared.messages import Attachment
from shared.ports.files import Files
from shared.ports.people import Memory, Preferences, Reminders


class Effect(StrEnum):
    """What a tool does to the world."""

    READ = "read"
    WRITE = "write"
    DESTRUCTIVE = "destructive"


class Permission(StrEnum):
    """Whether a tool may be called."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


class ToolError(Exception):
    """A tool could not do it. The message is for the person: plain words, what went wrong and what to do.

    From a tool that writes it also says for certain that nothing was done. One that does not know raises OutcomeUnknown;
    any other exception counts as that.
    """


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool call may lean on. `key` is an idempotency key: the same for the same call of the same turn."""

    key: str
    now: datetime
    time_zone: str
    user: str
    conversation: str
    reminders: Reminders
    memory: Memory
    preferences: Preferences
    files: Files
    attachments: Sequence[Attachment] = ()
    """The files that the user sent with this message."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool says to the model, and files that go to the person with the reply."""

    text: str
    attachments: Sequence[Attachment] = ()


class Tool(Protocol):
    """Something the assistant can do."""

    name: str
    description: str
    arguments: type[BaseModel]
    effect: Effect
    progress: str
    """What the person sees while it runs, such as `Reading a web page`."""

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """Do it. Raises ToolError with words for the person, OutcomeUnknown from a write; any other exception is a bug."""


@runtime_checkable
class Repeatable(Protocol):
    """A tool that writes and can be called again with the same key, to the same effect as once: our own store's tools.

    Of a call that was cut off nobody needs to be asked then; any other one is never repeated without asking.
    """

    repeatable: bool


@runtime_checkable
class Checkable(Protocol):
    """A tool that can find out whether an earlier call of the same key was done."""

    async def check(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult | None:
        """The result that it had; None when it was certainly not done. Raises OutcomeUnknown where that cannot be told."""


@runtime_checkable
class Describing(Protocol):
    """A tool whose progress depends on its arguments."""

    def doing(self, *, arguments: BaseModel) -> str:
        """What the person sees while it runs."""


@runtime_checkable
class Explaining(Protocol):
    """A tool that can say what a call would do, so that a person who must approve it understands it."""

    def explain(self, *, arguments: BaseModel) -> str:
        """Plain words that complete “May I …?”: `forget everything that I remember about you`."""


@runtime_checkable
class Asking(Protocol):
    """A tool whose result is what the person answers. It is never called."""

    def question(self, *, arguments: BaseModel) -> tuple[str, Sequence[str]]:
        """The question, and the options to choose from; no options: any text is an answer."""

"""Waiting for a moment, between two looks at something or two steps of slow work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from pydantic import BaseModel, Field

from shared.ports import Effect, Parts, Tool, ToolContext, ToolResult

LONGEST = 30
"""Seconds."""
_EARLY = 1
"""By how much the longest pause ends before a call is cut for taking too long, which happens after 30 seconds too."""


class Waiting(BaseModel):
    """How long to wait, and what for."""

    seconds: int = Field(1, ge=1, le=LONGEST, description="How long to wait, in seconds.")
    note: str = Field(
        "",
        max_length=200,
        description="What the person sees meanwhile, such as `Waiting for the build` or `3 of 10`.",
    )


class Pause:
    """Waits."""

    name = "pause"
    description = (
        "Wait for some seconds before going on: to look again at something that takes time, or to do one thing after the"
        " other slowly. For minutes and more, set a reminder."
    )
    arguments: type[BaseModel] = Waiting
    effect = Effect.READ
    progress = "Waiting"

    def __init__(self, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep

    def doing(self, *, arguments: BaseModel) -> str:
        """What is waited for."""
        assert isinstance(arguments, Waiting)
        return arguments.note.strip() or self.progress

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """Wait."""
        assert isinstance(arguments, Waiting)
        seconds = min(arguments.seconds, LONGEST - _EARLY)
        await self._sleep(seconds)
        return ToolResult(f"Waited {seconds} second{'' if seconds == 1 else 's'}.")


def build(_: Parts) -> Sequence[Tool]:
    """The pause."""
    return [Pause()]

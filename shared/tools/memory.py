"""What the person asked to be remembered: remember, recall, forget."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from shared.ports import Effect, Memo, Parts, Tool, ToolContext, ToolError, ToolResult

RECALLED = 20
SEARCHED = 100
"""How many memos are looked at to find the one to forget."""

_Given = Annotated[str | None, BeforeValidator(lambda value: value or None)]


class Remembering(BaseModel):
    """What to remember."""

    text: str = Field(min_length=1, max_length=2_000, description="A full sentence that makes sense by itself later.")
    key: _Given = Field(
        None,
        max_length=80,
        description="A short name for a fact that can change, such as `home address`: the same key replaces what was"
        " remembered under it.",
    )


class Recalling(BaseModel):
    """What to look for."""

    query: str = Field(
        "", max_length=500, description="Words of what is looked for. Empty: everything, the newest first."
    )


class Forgetting(BaseModel):
    """What to forget."""

    query: _Given = Field(None, max_length=500, description="Words or the key of the one thing to forget.")
    everything: bool = Field(False, description="True only when the person asked to forget everything.")


def _key(text: str) -> str:
    """A key for a text without one: the same text is remembered once."""
    return f"note-{hashlib.sha256(' '.join(text.casefold().split()).encode('utf-8', 'replace')).hexdigest()[:12]}"


def _line(memo: Memo) -> str:
    name = "" if memo.key.startswith("note-") else f"{memo.key}: "
    return f"- {name}{memo.text} (since {memo.written_at:%Y-%m-%d})"


class Remember:
    """Keeps something."""

    name = "remember"
    description = (
        "Remember something about the person for later conversations: when they ask for it, or when they state a lasting"
        " fact or preference. Never passwords, keys or card numbers."
    )
    arguments: type[BaseModel] = Remembering
    effect = Effect.WRITE
    progress = "Remembering that"
    repeatable = True
    """The key comes from the arguments alone, so a second call writes what the first one wrote."""

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """Keep it."""
        assert isinstance(arguments, Remembering)
        key = (arguments.key or "").strip().casefold() or _key(arguments.text)
        memo = await context.memory.remember(key=key, text=arguments.text.strip())
        return ToolResult(f"Remembered: {memo.text}")


class Recall:
    """Looks up what was kept."""

    name = "recall"
    description = "Look up what the person asked to be remembered in earlier conversations."
    arguments: type[BaseModel] = Recalling
    effect = Effect.READ
    progress = "Remembering"

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """Look it up."""
        assert isinstance(arguments, Recalling)
        query = arguments.query.strip()
        memos = await context.memory.recall(query=query, limit=RECALLED)
        if not memos:
            return ToolResult(f"Nothing is remembered about “{query}”." if query else "Nothing is remembered yet.")
        return ToolResult("Remembered:\n" + "\n".join(map(_line, memos)))


class Forget:
    """Forgets one thing, or everything.

    It is not repeatable: a second call would forget what was remembered in between, or, of two things that the words
    match, the one that was to stay.
    """

    name = "forget"
    description = "Forget one thing that was remembered, or everything, when the person asks for it."
    arguments: type[BaseModel] = Forgetting
    effect = Effect.DESTRUCTIVE
    progress = "Forgetting that"

    def explain(self, *, arguments: BaseModel) -> str:
        """What would be forgotten."""
        assert isinstance(arguments, Forgetting)
        if arguments.everything:
            return "forget everything that I remember about you"
        return f"forget what I remember about “{arguments.query or 'something'}”"

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """Forget it."""
        assert isinstance(arguments, Forgetting)
        if arguments.everything:
            count = await context.memory.forget()
            return ToolResult(f"Everything is forgotten: {count} {'thing' if count == 1 else 'things'}.")
        if not arguments.query:
            raise ToolError("Say what to forget.")
        memo = await _one(arguments.query, context)
        await context.memory.forget(key=memo.key)
        return ToolResult(f"Forgotten: {memo.text}")


async def _one(query: str, context: ToolContext) -> Memo:
    """The one memo that is meant for certain. Raises ToolError where there is none, with what comes near."""
    wanted = query.strip().casefold()
    memos = await context.memory.recall(query=query, limit=SEARCHED)
    named = [memo for memo in memos if wanted in (memo.key, memo.text.casefold())]
    words = wanted.split()
    found = named or [memo for memo in memos if all(word in f"{memo.key} {memo.text}".casefold() for word in words)]
    if len(found) == 1:
        return found[0]
    if not memos:
        raise ToolError(f"Nothing is remembered about “{query[:80]}”.")
    problem = "More than one thing matches" if found else "Nothing quite matches"
    listed = "\n".join(map(_line, (found or memos)[:10]))
    raise ToolError(f"{problem} “{query[:80]}”. Which of these, in its own words?\n{listed}")


def build(_: Parts) -> Sequence[Tool]:
    """The three things that one does with a memory."""
    return [Remember(), Recall(), Forget()]

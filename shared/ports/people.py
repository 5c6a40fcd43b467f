"""What a person has: reminders, memory, preferences, limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Reminder:
    """A reminder of a user, to be told in the conversation where it was set."""

    id: str
    text: str
    due_at: datetime
    repeat: str = ""
    """A cron expression of five fields in the user's time zone, or empty."""


class Reminders(Protocol):
    """A user's reminders. Times are aware UTC."""

    async def set(self, *, key: str, text: str, due_at: datetime, repeat: str = "") -> Reminder:
        """Create one; the same `key` gives the same reminder, however often it is called."""

    async def list(self) -> Sequence[Reminder]:
        """The open ones, the next due first."""

    async def done(self, *, key: str) -> Reminder | None:
        """What a call of this `key` set, changed or cancelled before, as it is now; None where there was none."""

    async def change(
        self,
        *,
        id: str,
        text: str | None = None,
        due_at: datetime | None = None,
        repeat: str | None = None,
        key: str = "",
    ) -> Reminder:
        """Change what is given; the same `key` changes once. Raises ToolError where there is no such reminder."""

    async def cancel(self, *, id: str, key: str = "") -> Reminder:
        """Cancel one; the same `key` cancels once. Raises ToolError where there is no such reminder."""


@dataclass(frozen=True, slots=True)
class Memo:
    """Something that a user asked to be remembered."""

    key: str
    text: str
    written_at: datetime


class Memory(Protocol):
    """A user's long-term memory."""

    async def remember(self, *, key: str, text: str) -> Memo:
        """Keep a text; the same `key` overwrites."""

    async def recall(self, *, query: str = "", limit: int = 10) -> Sequence[Memo]:
        """The memos that match the words of the query best; all, the newest first, without one."""

    async def forget(self, *, key: str = "") -> int:
        """Forget one, or everything without a key; return how many."""


class Preferences(Protocol):
    """What a user set about themselves."""

    async def set_time_zone(self, *, name: str) -> None:
        """Keep an IANA zone name."""


class Limits(Protocol):
    """What a person may do, and how much of it."""

    async def refusal(self, *, user: str, action: str) -> str | None:
        """Why the person may not do it now, in words for them; None when they may."""

"""What a queue's adapter tells operators, where its broker lets it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How much waits in a queue, for operators."""

    queue: str
    waiting: int
    """Messages that are to be handled now, or are being handled; sessions with such where `sessions` says so."""
    oldest: datetime | None
    """Since when the oldest of them is there; None where there is none, or where the broker does not tell."""
    scheduled: int
    dead_letters: int
    at_least: bool = False
    """True where only so much was looked at, and there may be more."""
    sessions: bool = False


@runtime_checkable
class QueueDepths(Protocol):
    """What a queue's adapter also has where its broker tells how much waits."""

    async def depths(self) -> Sequence[QueueDepth]:
        """The depth of each queue of the topology. Raises QueueUnavailable."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One plain sentence for an operator. `wrong`: so, Praxos cannot keep what it promises."""

    text: str
    wrong: bool = False


@runtime_checkable
class Examinable(Protocol):
    """A queue on a server whose own settings decide what becomes of messages."""

    async def examine(self) -> Sequence[Remark]:
        """What these settings mean for what Praxos promises. Raises QueueUnavailable."""

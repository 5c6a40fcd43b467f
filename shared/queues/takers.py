"""Receivers that wait. What is sent to one of them is locked for it in the very transaction that sends it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from shared.messages import Conflict
from shared.ports import Received
from shared.queues.sqlite_receive import Locked

Take = Callable[[sqlite3.Connection, float], Locked]
"""Lock what a receiver wants, at a time."""


@dataclass(slots=True, eq=False)
class Taker:
    """One receiver that waits, and for what. `gone`: it does not wait any more, so nothing can be handed to it."""

    waited: str
    take: Take
    received: Sequence[Received] = ()
    gone: bool = False

    def lock(self, connection: sqlite3.Connection, now: float) -> Locked:
        """Lock for it; nothing where the session that it holds was lost, which it finds out by itself."""
        try:
            return self.take(connection, now)
        except Conflict:
            return [], False


class Takers:
    """One at a time of each queue and of each session; whoever comes second is woken, and looks by itself."""

    def __init__(self) -> None:
        self._waiting: dict[str, Taker] = {}

    @contextmanager
    def waiting(self, waited: str, take: Take) -> Iterator[Taker]:
        """Inside the block, `claim` finds this one."""
        taker = Taker(waited, take)
        self._waiting.setdefault(waited, taker)
        try:
            yield taker
        finally:
            taker.gone = True
            if self._waiting.get(waited) is taker:
                del self._waiting[waited]

    def claim(self, waited: str) -> Taker | None:
        """Whoever waits, for one sender: the next one finds nobody, until the taker waits again."""
        return self._waiting.pop(waited, None)

"""An event loop without real time: it runs until nothing can go on, and its timers follow a clock that tests set."""

from __future__ import annotations

import asyncio
from typing import Any

from shared.ports import Clock


class StillLoop(asyncio.BaseEventLoop):
    """Knows neither sockets nor threads. What it does next depends on nothing but what was asked of it."""

    _clock_resolution: float

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._praxos_clock = clock
        self._selector: Any = self  # the base class asks its selector how long it may sleep: we never do
        self.next_timer: float | None = None
        """Seconds until the next timer, when it was last quiet."""

    def time(self) -> float:
        return self._praxos_clock.monotonic()

    def run_until_quiet(self) -> None:
        """Run whatever can run now."""
        self.run_forever()

    def select(self, timeout: float | None) -> list[Any]:
        """Called by the base class once a round, with 0 where something is ready: otherwise it is quiet.

        A timer that is due within the clock's resolution fires in this very round.
        """
        if timeout is None or timeout > self._clock_resolution:
            self.next_timer = timeout
            self.stop()
        return []

    def _process_events(self, _: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps."""

"""How the queues stand, as metrics: looked at by the sweeper, told whenever metrics are collected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from shared.messages import QueueUnavailable
from shared.ports import Clock
from shared.telemetry import enabled, logger, watch_queues
from shared.telemetry.described import QueueState
from shared.topology import DEAD_LETTER_SUFFIX

EVERY_SECONDS = 60.0
"""A look at a broker is a few operations for each queue."""

log = logger(__name__)


class Depth(Protocol):
    """How much waits in a queue."""

    @property
    def queue(self) -> str: ...
    @property
    def waiting(self) -> int: ...
    @property
    def oldest(self) -> datetime | None: ...
    @property
    def dead_letters(self) -> int: ...


@runtime_checkable
class TellsDepths(Protocol):
    """A broker that says how its queues stand."""

    async def depths(self) -> Sequence[Depth]:
        """The depth of each queue. Raises QueueUnavailable."""


class QueueWatch:
    """Looks at the queues once a minute, where telemetry is recorded and the broker tells."""

    def __init__(self, *, broker: Callable[[], object], clock: Clock) -> None:
        self._broker = broker
        self._clock = clock
        self._states: Sequence[QueueState] = ()
        self._next = float("-inf")

    async def look(self) -> None:
        """Look, if it is time to. A broker that is away is no reason for a sweep to fail."""
        if not enabled() or self._clock.monotonic() < self._next:
            return
        self._next = self._clock.monotonic() + EVERY_SECONDS
        broker = self._broker()
        if not isinstance(broker, TellsDepths):
            return
        try:
            found = await broker.depths()
        except QueueUnavailable as error:
            log.warning("the queues were not looked at", extra={"fields": {"error": str(error)}})
            return
        now = self._clock.now()
        self._states = [state for one in found for state in _states(one, now)]
        watch_queues(lambda: self._states)


def _states(depth: Depth, now: datetime) -> tuple[QueueState, QueueState]:
    age = max(0.0, (now - depth.oldest).total_seconds()) if depth.oldest else 0.0
    return (
        QueueState(depth.queue, depth.waiting, age),
        QueueState(f"{depth.queue}{DEAD_LETTER_SUFFIX}", depth.dead_letters, None),
    )

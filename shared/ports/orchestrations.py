"""What goes on with runs that were handed over."""

from __future__ import annotations

from typing import Protocol


class Orchestrations(Protocol):
    """What goes on with runs that were handed over: it waits, wakes up and runs segments. The truth is in the store."""

    async def wake(self, *, instance: str, reference: str) -> None:
        """Make sure that an unfinished instance is there, and that it looks at its run soon. Never for an ended run.

        `reference` is what the instance is started with. Raises QueueUnavailable.
        """

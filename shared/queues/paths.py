"""The paths of a broker that keeps its own messages: its queues and their dead-letter queues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.topology import DEAD_LETTER_SUFFIX, QueueSettings


@dataclass(frozen=True, slots=True)
class QueuePath:
    """A queue or a dead-letter queue, and how it behaves."""

    name: str
    sessions: bool
    lock_seconds: float
    max_deliveries: int | None
    """None: it keeps its messages however often they are delivered, as a dead-letter queue does."""


def paths(queues: Mapping[str, QueueSettings]) -> dict[str, QueuePath]:
    """Every path that can be received from."""
    found = {}
    for name, settings in queues.items():
        seconds = settings.lock_duration.total_seconds()
        found[name] = QueuePath(name, settings.requires_session, seconds, settings.max_delivery_count)
        dead = name + DEAD_LETTER_SUFFIX
        found[dead] = QueuePath(dead, False, seconds, None)
    return found

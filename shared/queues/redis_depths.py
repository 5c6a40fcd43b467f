"""How much waits in the queues of a Redis, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shared.ports import QueueDepth
from shared.queues.redis_messages import local_time

SESSIONS = 1000
"""How many sessions of a queue are counted at most: the server does nothing else meanwhile."""


def depth(queue: str, reply: Sequence[int | None], before: datetime) -> QueueDepth:
    """What the script said of a queue, that it was asked at `before`. A scheduled message that is due waits."""
    now, waiting, oldest, scheduled, dead_letters, more = reply
    return QueueDepth(
        queue=queue,
        waiting=waiting or 0,
        oldest=None if oldest is None else local_time(oldest, now or 0, before),
        scheduled=scheduled or 0,
        dead_letters=dead_letters or 0,
        at_least=bool(more),
    )

"""How much waits in the SQLite broker's file, and since when."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime

from shared.ports import QueueDepth
from shared.topology import DEAD_LETTER_SUFFIX


def depths(connection: sqlite3.Connection, queues: Iterable[str], now: float) -> list[QueueDepth]:
    """The depth of each queue. A scheduled message that is due waits, whether or not somebody looked since."""
    stored = _by_queue(connection, "SELECT queue, count(*), min(enqueued_at) FROM messages GROUP BY queue")
    due = _by_queue(
        connection,
        "SELECT queue, count(*), min(enqueue_at) FROM scheduled WHERE enqueue_at<=? GROUP BY queue",
        now,
    )
    later = _by_queue(
        connection, "SELECT queue, count(*), min(enqueue_at) FROM scheduled WHERE enqueue_at>? GROUP BY queue", now
    )
    found = []
    for queue in queues:
        waiting = [each[queue] for each in (stored, due) if queue in each]
        found.append(
            QueueDepth(
                queue=queue,
                waiting=sum(count for count, _ in waiting),
                oldest=datetime.fromtimestamp(min(at for _, at in waiting), UTC) if waiting else None,
                scheduled=later.get(queue, (0, 0.0))[0],
                dead_letters=stored.get(queue + DEAD_LETTER_SUFFIX, (0, 0.0))[0],
            )
        )
    return found


def _by_queue(connection: sqlite3.Connection, query: str, *values: float) -> dict[str, tuple[int, float]]:
    return {queue: (count, at) for queue, count, at in connection.execute(query, values)}

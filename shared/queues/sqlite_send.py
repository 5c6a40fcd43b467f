"""Into the SQLite broker's file: now, at a later time, or not at all where the id was used."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from shared.ports import QueueMessage
from shared.queues.paths import QueuePath

_AT_ONCE = 100
"""The most scheduled messages that are enqueued at a time."""
_TIDY_EVERY = 16
"""How many ids are seen before old ones are removed."""


def insert(
    connection: sqlite3.Connection, path: QueuePath, messages: Sequence[QueueMessage], now: float, window: float
) -> None:
    """Enqueue or schedule; an id that was seen within `window` seconds (0: no duplicate detection) is swallowed."""
    for message in messages:
        if window and not _first_seen(connection, path.name, message.id, now, window):
            continue
        properties = json.dumps(dict(message.properties)) if message.properties else ""
        at = message.enqueue_at.timestamp() if message.enqueue_at else now
        if at > now:
            connection.execute(
                "INSERT INTO scheduled (queue, session, id, body, properties, enqueue_at) VALUES (?,?,?,?,?,?)",
                (path.name, message.session, message.id, message.body, properties, at),
            )
        else:
            _append(connection, path, message.session, message.id, message.body, properties, now)


def _append(
    connection: sqlite3.Connection, path: QueuePath, session: str, id: str, body: bytes, properties: str, at: float
) -> None:
    lane = session if path.sessions else ""
    connection.execute(
        "INSERT INTO messages (queue, lane, session, id, body, properties, enqueued_at) VALUES (?,?,?,?,?,?,?)",
        (path.name, lane, session, id, body, properties, at),
    )
    if path.sessions:
        connection.execute("INSERT OR IGNORE INTO sessions VALUES (?,?,'',?,0)", (path.name, session, at))


def _first_seen(connection: sqlite3.Connection, queue: str, id: str, now: float, window: float) -> bool:
    found = connection.execute("SELECT until FROM seen WHERE queue=? AND id=?", (queue, id)).fetchone()
    if found and found[0] > now:
        return False
    added = connection.execute(
        "INSERT OR REPLACE INTO seen (queue, id, until) VALUES (?,?,?)", (queue, id, now + window)
    ).lastrowid
    if added and added % _TIDY_EVERY == 0:
        # Ids expire in the order in which they came: looking at the oldest now and then keeps the table small.
        connection.execute(
            "DELETE FROM seen WHERE number IN "
            "(SELECT number FROM (SELECT number, until FROM seen ORDER BY number LIMIT ?) WHERE until<=?)",
            (4 * _TIDY_EVERY, now),
        )
    return True


def enqueue_due(connection: sqlite3.Connection, path: QueuePath, now: float) -> None:
    """Append the scheduled messages that are due: as in Service Bus, only then do they get their sequence numbers."""
    due = connection.execute(
        "SELECT number, session, id, body, properties, enqueue_at FROM scheduled "
        "WHERE queue=? AND enqueue_at<=? ORDER BY enqueue_at, number LIMIT ?",
        (path.name, now, _AT_ONCE),
    ).fetchall()
    for number, session, name, body, properties, at in due:
        connection.execute("DELETE FROM scheduled WHERE number=?", (number,))
        _append(connection, path, session, name, body, properties, at)

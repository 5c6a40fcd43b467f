"""What becomes of a message in the SQLite broker's file. Raises Conflict wherever its lock was lost."""

from __future__ import annotations

import sqlite3

from shared.messages import Conflict
from shared.ports import Received
from shared.queues.paths import QueuePath
from shared.queues.sqlite_schema import LOCK_LENGTH
from shared.topology import DEAD_LETTER_SUFFIX

MAX_DELIVERY_REASON = "MaxDeliveryCountExceeded"
"""Service Bus: the reason of a message that was delivered too often."""


def _hold(connection: sqlite3.Connection, path: QueuePath, message: Received, now: float) -> int:
    """Make sure that the message's lock is still held; return its delivery count. Raises Conflict when it was lost."""
    if path.sessions:
        row = connection.execute(
            "SELECT m.deliveries FROM messages m JOIN sessions s ON s.queue=m.queue AND s.session=m.lane "
            "WHERE m.sequence=? AND m.lock=? AND m.queue=? AND s.lock=? AND s.locked_until>?",
            (message.sequence_number, message.lock_token, path.name, message.lock_token[:LOCK_LENGTH], now),
        ).fetchone()
    else:
        row = connection.execute(
            "SELECT deliveries FROM messages WHERE sequence=? AND lock=? AND queue=? AND locked_until>?",
            (message.sequence_number, message.lock_token, path.name, now),
        ).fetchone()
    if row is None:
        raise _lost(message)
    deliveries: int = row[0]
    return deliveries


def _lost(message: Received) -> Conflict:
    """What is raised for a message whose lock is not held any more."""
    return Conflict(f"the lock of message {message.id} of {message.queue} was lost")


def complete(connection: sqlite3.Connection, path: QueuePath, message: Received, now: float) -> None:
    """Remove the message. Raises Conflict when its lock was lost."""
    if path.sessions:
        found = connection.execute(
            "DELETE FROM messages WHERE sequence=? AND lock=? AND queue=? AND EXISTS "
            "(SELECT 1 FROM sessions s WHERE s.queue=messages.queue AND s.session=lane AND s.lock=? AND s.locked_until>?)",
            (message.sequence_number, message.lock_token, path.name, message.lock_token[:LOCK_LENGTH], now),
        )
    else:
        found = connection.execute(
            "DELETE FROM messages WHERE sequence=? AND lock=? AND queue=? AND locked_until>?",
            (message.sequence_number, message.lock_token, path.name, now),
        )
    if not found.rowcount:
        raise _lost(message)


def abandon(connection: sqlite3.Connection, path: QueuePath, message: Received, now: float) -> bool:
    """Free the message, or dead-letter it after too many deliveries and return True. Raises Conflict."""
    deliveries = _hold(connection, path, message, now)
    if path.max_deliveries is not None and deliveries >= path.max_deliveries:
        _move_to_dead_letters(connection, path, message.sequence_number, MAX_DELIVERY_REASON, _too_often(path))
        return True
    connection.execute(
        "UPDATE messages SET lock='', locked_until=0, holder=0 WHERE sequence=?", (message.sequence_number,)
    )
    return False


def dead_letter(
    connection: sqlite3.Connection, path: QueuePath, message: Received, now: float, reason: str, description: str
) -> None:
    """Move the message to the dead-letter queue. Raises Conflict when its lock was lost."""
    _hold(connection, path, message, now)
    _move_to_dead_letters(connection, path, message.sequence_number, reason, description)


def renew(connection: sqlite3.Connection, path: QueuePath, message: Received, now: float) -> float:
    """Renew the lock of the message, or of its session; return its new end. Raises Conflict when it was lost."""
    until = now + path.lock_seconds
    if path.sessions:
        found = connection.execute(
            "UPDATE sessions SET locked_until=? WHERE queue=? AND session=? AND lock=? AND locked_until>?",
            (until, path.name, message.session, message.lock_token[:LOCK_LENGTH], now),
        )
    else:
        found = connection.execute(
            "UPDATE messages SET locked_until=? WHERE sequence=? AND lock=? AND queue=? AND locked_until>?",
            (until, message.sequence_number, message.lock_token, path.name, now),
        )
    if not found.rowcount:
        raise _lost(message)
    return until


def bury_if_exhausted(connection: sqlite3.Connection, path: QueuePath, sequence: int, deliveries: int) -> bool:
    """Dead-letter a free message that was delivered too often; return whether it was.

    Abandoning does so at once: here arrive those whose locks ended without a word.
    """
    if path.max_deliveries is None or deliveries < path.max_deliveries:
        return False
    _move_to_dead_letters(connection, path, sequence, MAX_DELIVERY_REASON, _too_often(path))
    return True


def _too_often(path: QueuePath) -> str:
    return f"Message could not be consumed after {path.max_deliveries} delivery attempts."


def _move_to_dead_letters(
    connection: sqlite3.Connection, path: QueuePath, sequence: int, reason: str, description: str
) -> None:
    connection.execute(
        "UPDATE messages SET queue=?, lane='', lock='', locked_until=0, holder=0, reason=?, description=? "
        "WHERE sequence=?",
        (path.name + DEAD_LETTER_SUFFIX, reason, description, sequence),
    )

"""What the SQLite broker does inside a transaction: plain functions on a connection, all times in epoch seconds."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from shared.messages import Conflict
from shared.ports import QueueMessage, Received
from shared.topology import DEAD_LETTER_SUFFIX, QueueSettings

MAX_DELIVERY_REASON = "MaxDeliveryCountExceeded"
"""Service Bus: the reason of a message that was delivered too often."""
_AT_ONCE = 100
"""The most scheduled messages that one receive moves to their queue."""
_LOCK = 32
"""The length of a session's lock, with which the lock of each of its messages begins."""


@dataclass(frozen=True, slots=True)
class Path:
    """A queue or a dead-letter queue, and how it behaves."""

    name: str
    sessions: bool
    lock_seconds: float
    max_deliveries: int | None
    """None: it keeps its messages however often they are delivered, as a dead-letter queue does."""


def paths(queues: Mapping[str, QueueSettings]) -> dict[str, Path]:
    """Every path that can be received from."""
    found = {}
    for name, settings in queues.items():
        seconds = settings.lock_duration.total_seconds()
        found[name] = Path(name, settings.requires_session, seconds, settings.max_delivery_count)
        dead = name + DEAD_LETTER_SUFFIX
        found[dead] = Path(dead, False, seconds, None)
    return found


def insert(
    connection: sqlite3.Connection, path: Path, messages: Sequence[QueueMessage], now: float, window: float
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
    connection: sqlite3.Connection, path: Path, session: str, id: str, body: bytes, properties: str, at: float
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
    # Ids expire in the order in which they came: looking at the oldest few each time keeps the table small.
    connection.execute(
        "DELETE FROM seen WHERE number IN "
        "(SELECT number FROM (SELECT number, until FROM seen ORDER BY number LIMIT 4) WHERE until<=?)",
        (now,),
    )
    connection.execute("INSERT OR REPLACE INTO seen (queue, id, until) VALUES (?,?,?)", (queue, id, now + window))
    return True


def available(connection: sqlite3.Connection, path: Path, now: float) -> bool:
    """Whether a message, or a session, could be received from the path now."""
    free = (
        "SELECT 1 FROM sessions WHERE queue=?1 AND locked_until<=?2"
        if path.sessions
        else "SELECT 1 FROM messages WHERE queue=?1 AND lane='' AND locked_until<=?2"
    )
    due = "SELECT 1 FROM scheduled WHERE queue=?1 AND enqueue_at<=?2"
    return _any(connection, f"EXISTS ({free}) OR EXISTS ({due})", (path.name, now))


def available_in_session(connection: sqlite3.Connection, path: Path, session: str, lock: str, now: float) -> bool:
    """Whether the session held with `lock` has a message that was not received with it yet."""
    free = f"SELECT 1 FROM messages WHERE queue=?1 AND lane=?3 AND substr(lock,1,{_LOCK})<>?4"  # noqa: S608  a constant
    due = "SELECT 1 FROM scheduled WHERE queue=?1 AND enqueue_at<=?2 AND session=?3"
    return _any(connection, f"EXISTS ({free}) OR EXISTS ({due})", (path.name, now, session, lock))


def _any(connection: sqlite3.Connection, condition: str, values: tuple[object, ...]) -> bool:
    return bool(connection.execute(f"SELECT {condition}", values).fetchone()[0])


def next_scheduled(connection: sqlite3.Connection, queues: Sequence[str]) -> float | None:
    """When the next scheduled message of the queues is due."""
    query = "SELECT min(enqueue_at) FROM scheduled WHERE queue=?"
    times = [connection.execute(query, (queue,)).fetchone()[0] for queue in queues]
    return min((at for at in times if at is not None), default=None)


def _enqueue_due(connection: sqlite3.Connection, path: Path, now: float) -> None:
    # As in Service Bus, a scheduled message is appended when it is due: only then does it get its sequence number.
    due = connection.execute(
        "SELECT number, session, id, body, properties, enqueue_at FROM scheduled "
        "WHERE queue=? AND enqueue_at<=? ORDER BY enqueue_at, number LIMIT ?",
        (path.name, now, _AT_ONCE),
    ).fetchall()
    for number, session, name, body, properties, at in due:
        connection.execute("DELETE FROM scheduled WHERE number=?", (number,))
        _append(connection, path, session, name, body, properties, at)


Locked = tuple[list[Received], bool]
"""The messages that were locked, and whether others were found that are dead letters from now on."""

_COLUMNS = "sequence, session, id, body, properties, enqueued_at, deliveries, reason, description"


def receive(connection: sqlite3.Connection, path: Path, limit: int, now: float, holder: int) -> Locked:
    """Lock up to `limit` free messages of a path without sessions, the oldest first."""
    _enqueue_due(connection, path, now)
    query = f"SELECT {_COLUMNS} FROM messages WHERE queue=? AND lane='' AND locked_until<=? ORDER BY sequence LIMIT ?"  # noqa: S608  a constant
    received: list[Received] = []
    dead = False
    while not received and (rows := connection.execute(query, (path.name, now, limit)).fetchall()):
        for row in rows:
            if _delivered_too_often(connection, path, row):
                dead = True
                continue
            lock = uuid4().hex
            until = now + path.lock_seconds
            connection.execute(
                "UPDATE messages SET lock=?, locked_until=?, holder=?, deliveries=deliveries+1 WHERE sequence=?",
                (lock, until, holder, row[0]),
            )
            received.append(_received(path, row, lock, until))
    return received, dead


def accept_session(connection: sqlite3.Connection, path: Path, now: float, holder: int) -> tuple[str, str] | None:
    """Lock the session that has been free for longest; return it and its lock."""
    _enqueue_due(connection, path, now)
    query = "SELECT session FROM sessions WHERE queue=? AND locked_until<=? ORDER BY locked_until LIMIT 1"
    while row := connection.execute(query, (path.name, now)).fetchone():
        session: str = row[0]
        if _forget_if_empty(connection, path, session):
            continue
        lock = uuid4().hex
        connection.execute(
            "UPDATE sessions SET lock=?, locked_until=?, holder=? WHERE queue=? AND session=?",
            (lock, now + path.lock_seconds, holder, path.name, session),
        )
        return session, lock
    return None


def _forget_if_empty(connection: sqlite3.Connection, path: Path, session: str) -> bool:
    has_one = "SELECT 1 FROM messages WHERE queue=? AND lane=? LIMIT 1"
    if connection.execute(has_one, (path.name, session)).fetchone():
        return False
    connection.execute("DELETE FROM sessions WHERE queue=? AND session=?", (path.name, session))
    return True


def receive_session(
    connection: sqlite3.Connection, path: Path, session: str, lock: str, limit: int, now: float
) -> Locked:
    """Lock the next messages of a session. Raises Conflict when its lock was lost."""
    held = "SELECT locked_until FROM sessions WHERE queue=? AND session=? AND lock=? AND locked_until>?"
    row = connection.execute(held, (path.name, session, lock, now)).fetchone()
    if row is None:
        raise Conflict(f"the lock of session {session} of {path.name} was lost")
    until: float = row[0]
    _enqueue_due(connection, path, now)
    query = (
        f"SELECT {_COLUMNS} FROM messages WHERE queue=? AND lane=? AND substr(lock,1,{_LOCK})<>? "  # noqa: S608  constants
        "ORDER BY sequence LIMIT ?"
    )
    received: list[Received] = []
    dead = False
    while not received and (rows := connection.execute(query, (path.name, session, lock, limit)).fetchall()):
        for row in rows:
            if _delivered_too_often(connection, path, row):
                dead = True
                continue
            # The delivery count sets this lock apart from that of an earlier delivery under the same session's lock.
            own = f"{lock}.{row[6] + 1}"
            connection.execute("UPDATE messages SET lock=?, deliveries=deliveries+1 WHERE sequence=?", (own, row[0]))
            received.append(_received(path, row, own, until))
    return received, dead


def release_session(connection: sqlite3.Connection, path: Path, session: str, lock: str, now: float) -> None:
    """Give a session back. As in Service Bus, closing it does not count as a delivery of what was not settled."""
    connection.execute(
        f"UPDATE messages SET lock='', deliveries=deliveries-1 WHERE queue=? AND lane=? AND substr(lock,1,{_LOCK})=?",  # noqa: S608  a constant
        (path.name, session, lock),
    )
    found = connection.execute(
        "UPDATE sessions SET lock='', locked_until=? WHERE queue=? AND session=? AND lock=?",
        (now, path.name, session, lock),
    )
    if found.rowcount:
        _forget_if_empty(connection, path, session)


def _received(path: Path, row: tuple[Any, ...], lock: str, until: float) -> Received:
    sequence, session, name, body, properties, enqueued_at, deliveries, reason, description = row
    return Received(
        queue=path.name,
        body=body,
        id=name,
        session=session,
        lock_token=lock,
        locked_until=datetime.fromtimestamp(until, UTC),
        delivery_count=deliveries + 1,
        sequence_number=sequence,
        enqueued_at=datetime.fromtimestamp(enqueued_at, UTC),
        properties=json.loads(properties) if properties else {},
        dead_letter_reason=reason,
        dead_letter_description=description,
    )


def _delivered_too_often(connection: sqlite3.Connection, path: Path, row: tuple[Any, ...]) -> bool:
    # Abandoning moves a message at once; here arrive those whose locks ended without a word.
    if path.max_deliveries is None or row[6] < path.max_deliveries:
        return False
    _move_to_dead_letters(connection, path, row[0], MAX_DELIVERY_REASON, _too_often(path))
    return True


def _too_often(path: Path) -> str:
    return f"Message could not be consumed after {path.max_deliveries} delivery attempts."


def _move_to_dead_letters(
    connection: sqlite3.Connection, path: Path, sequence: int, reason: str, description: str
) -> None:
    connection.execute(
        "UPDATE messages SET queue=?, lane='', lock='', locked_until=0, holder=0, reason=?, description=? "
        "WHERE sequence=?",
        (path.name + DEAD_LETTER_SUFFIX, reason, description, sequence),
    )


def hold(connection: sqlite3.Connection, path: Path, message: Received, now: float) -> int:
    """Make sure that the message's lock is still held; return its delivery count. Raises Conflict when it was lost."""
    if path.sessions:
        row = connection.execute(
            "SELECT m.deliveries FROM messages m JOIN sessions s ON s.queue=m.queue AND s.session=m.lane "
            "WHERE m.sequence=? AND m.lock=? AND m.queue=? AND s.lock=? AND s.locked_until>?",
            (message.sequence_number, message.lock_token, path.name, message.lock_token[:_LOCK], now),
        ).fetchone()
    else:
        row = connection.execute(
            "SELECT deliveries FROM messages WHERE sequence=? AND lock=? AND queue=? AND locked_until>?",
            (message.sequence_number, message.lock_token, path.name, now),
        ).fetchone()
    if row is None:
        raise lost(message)
    deliveries: int = row[0]
    return deliveries


def lost(message: Received) -> Conflict:
    """What is raised for a message whose lock is not held any more."""
    return Conflict(f"the lock of message {message.id} of {message.queue} was lost")


def complete(connection: sqlite3.Connection, path: Path, message: Received, now: float) -> None:
    """Remove the message. Raises Conflict when its lock was lost."""
    if path.sessions:
        found = connection.execute(
            "DELETE FROM messages WHERE sequence=? AND lock=? AND queue=? AND EXISTS "
            "(SELECT 1 FROM sessions s WHERE s.queue=messages.queue AND s.session=lane AND s.lock=? AND s.locked_until>?)",
            (message.sequence_number, message.lock_token, path.name, message.lock_token[:_LOCK], now),
        )
    else:
        found = connection.execute(
            "DELETE FROM messages WHERE sequence=? AND lock=? AND queue=? AND locked_until>?",
            (message.sequence_number, message.lock_token, path.name, now),
        )
    if not found.rowcount:
        raise lost(message)


def abandon(connection: sqlite3.Connection, path: Path, message: Received, now: float) -> bool:
    """Free the message, or dead-letter it after too many deliveries and return True. Raises Conflict."""
    deliveries = hold(connection, path, message, now)
    if path.max_deliveries is not None and deliveries >= path.max_deliveries:
        _move_to_dead_letters(connection, path, message.sequence_number, MAX_DELIVERY_REASON, _too_often(path))
        return True
    connection.execute(
        "UPDATE messages SET lock='', locked_until=0, holder=0 WHERE sequence=?", (message.sequence_number,)
    )
    return False


def dead_letter(
    connection: sqlite3.Connection, path: Path, message: Received, now: float, reason: str, description: str
) -> None:
    """Move the message to the dead-letter queue. Raises Conflict when its lock was lost."""
    hold(connection, path, message, now)
    _move_to_dead_letters(connection, path, message.sequence_number, reason, description)


def renew(connection: sqlite3.Connection, path: Path, message: Received, now: float) -> float:
    """Renew the lock of the message, or of its session; return its new end. Raises Conflict when it was lost."""
    until = now + path.lock_seconds
    if path.sessions:
        found = connection.execute(
            "UPDATE sessions SET locked_until=? WHERE queue=? AND session=? AND lock=? AND locked_until>?",
            (until, path.name, message.session, message.lock_token[:_LOCK], now),
        )
    else:
        found = connection.execute(
            "UPDATE messages SET locked_until=? WHERE sequence=? AND lock=? AND queue=? AND locked_until>?",
            (until, message.sequence_number, message.lock_token, path.name, now),
        )
    if not found.rowcount:
        raise lost(message)
    return until


def add_holder(connection: sqlite3.Connection, process: str, port: int) -> int:
    """Register an open broker; return its number."""
    cursor = connection.execute("INSERT INTO holders (process, port, queues) VALUES (?,?,'')", (process, port))
    if cursor.lastrowid is None:
        raise AssertionError("SQLite gives every inserted row a number")
    return cursor.lastrowid


def void(connection: sqlite3.Connection, holder: int) -> None:
    """End every lock of a holder and forget it."""
    connection.execute("UPDATE messages SET locked_until=0 WHERE holder=? AND locked_until>0", (holder,))
    connection.execute("UPDATE sessions SET locked_until=0 WHERE holder=?", (holder,))
    connection.execute("DELETE FROM holders WHERE number=?", (holder,))

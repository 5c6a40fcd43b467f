"""Out of the SQLite broker's file: messages and sessions under locks. All times are epoch seconds."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from shared.messages import Conflict
from shared.ports import Received
from shared.queues.paths import QueuePath
from shared.queues.sqlite_schema import LOCK_LENGTH
from shared.queues.sqlite_send import enqueue_due
from shared.queues.sqlite_settle import bury_if_exhausted


def available(connection: sqlite3.Connection, path: QueuePath, now: float) -> bool:
    """Whether a message, or a session, could be received from the path now."""
    free = (
        "SELECT 1 FROM sessions WHERE queue=?1 AND locked_until<=?2"
        if path.sessions
        else "SELECT 1 FROM messages WHERE queue=?1 AND lane='' AND locked_until<=?2"
    )
    due = "SELECT 1 FROM scheduled WHERE queue=?1 AND enqueue_at<=?2"
    return _any(connection, f"EXISTS ({free}) OR EXISTS ({due})", (path.name, now))


def available_in_session(connection: sqlite3.Connection, path: QueuePath, session: str, lock: str, now: float) -> bool:
    """Whether the session held with `lock` has a message that was not received with it yet."""
    free = f"SELECT 1 FROM messages WHERE queue=?1 AND lane=?3 AND substr(lock,1,{LOCK_LENGTH})<>?4"  # noqa: S608  a constant
    due = "SELECT 1 FROM scheduled WHERE queue=?1 AND enqueue_at<=?2 AND session=?3"
    return _any(connection, f"EXISTS ({free}) OR EXISTS ({due})", (path.name, now, session, lock))


Look = tuple[bool, float | None]
"""Whether a message is free, and when the queue's next scheduled one is due."""


def look(connection: sqlite3.Connection, path: QueuePath, now: float) -> Look:
    """What a receiver of a path without sessions has to know, in one statement."""
    return _look(connection, "lane='' AND locked_until<=?2", (path.name, now))


def look_in_session(connection: sqlite3.Connection, path: QueuePath, session: str, lock: str) -> Look:
    """The same for a session that is held with `lock`."""
    return _look(connection, f"lane=?2 AND substr(lock,1,{LOCK_LENGTH})<>?3", (path.name, session, lock))


def _look(connection: sqlite3.Connection, condition: str, values: tuple[object, ...]) -> Look:
    free, due = connection.execute(
        f"SELECT EXISTS (SELECT 1 FROM messages WHERE queue=?1 AND {condition}),"  # noqa: S608  constants
        " (SELECT min(enqueue_at) FROM scheduled WHERE queue=?1)",
        values,
    ).fetchone()
    return bool(free), due


def _any(connection: sqlite3.Connection, condition: str, values: tuple[object, ...]) -> bool:
    return bool(connection.execute(f"SELECT {condition}", values).fetchone()[0])


def next_scheduled(connection: sqlite3.Connection, queues: Sequence[str]) -> float | None:
    """When the next scheduled message of the queues is due."""
    query = "SELECT min(enqueue_at) FROM scheduled WHERE queue=?"
    times = [connection.execute(query, (queue,)).fetchone()[0] for queue in queues]
    return min((at for at in times if at is not None), default=None)


Locked = tuple[list[Received], bool]
"""The messages that were locked, and whether others were found that are dead letters from now on."""

_COLUMNS = "sequence, session, id, body, properties, enqueued_at, deliveries, reason, description"


def receive(connection: sqlite3.Connection, path: QueuePath, limit: int, now: float, holder: int) -> Locked:
    """Lock up to `limit` free messages of a path without sessions, the oldest first."""
    enqueue_due(connection, path, now)
    query = f"SELECT {_COLUMNS} FROM messages WHERE queue=? AND lane='' AND locked_until<=? ORDER BY sequence LIMIT ?"  # noqa: S608  a constant
    received: list[Received] = []
    dead = False
    while not received and (rows := connection.execute(query, (path.name, now, limit)).fetchall()):
        for row in rows:
            if bury_if_exhausted(connection, path, row[0], row[6]):
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


def accept_session(connection: sqlite3.Connection, path: QueuePath, now: float, holder: int) -> tuple[str, str] | None:
    """Lock the session that has been free for longest; return it and its lock."""
    enqueue_due(connection, path, now)
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


def _forget_if_empty(connection: sqlite3.Connection, path: QueuePath, session: str) -> bool:
    has_one = "SELECT 1 FROM messages WHERE queue=? AND lane=? LIMIT 1"
    if connection.execute(has_one, (path.name, session)).fetchone():
        return False
    connection.execute("DELETE FROM sessions WHERE queue=? AND session=?", (path.name, session))
    return True


def receive_session(
    connection: sqlite3.Connection, path: QueuePath, session: str, lock: str, limit: int, now: float
) -> Locked:
    """Lock the next messages of a session. Raises Conflict when its lock was lost."""
    held = "SELECT locked_until FROM sessions WHERE queue=? AND session=? AND lock=? AND locked_until>?"
    row = connection.execute(held, (path.name, session, lock, now)).fetchone()
    if row is None:
        raise Conflict(f"the lock of session {session} of {path.name} was lost")
    until: float = row[0]
    enqueue_due(connection, path, now)
    query = (
        f"SELECT {_COLUMNS} FROM messages WHERE queue=? AND lane=? AND substr(lock,1,{LOCK_LENGTH})<>? "  # noqa: S608  constants
        "ORDER BY sequence LIMIT ?"
    )
    received: list[Received] = []
    dead = False
    while not received and (rows := connection.execute(query, (path.name, session, lock, limit)).fetchall()):
        for row in rows:
            if bury_if_exhausted(connection, path, row[0], row[6]):
                dead = True
                continue
            # The delivery count sets this lock apart from that of an earlier delivery under the same session's lock.
            own = f"{lock}.{row[6] + 1}"
            connection.execute("UPDATE messages SET lock=?, deliveries=deliveries+1 WHERE sequence=?", (own, row[0]))
            received.append(_received(path, row, own, until))
    return received, dead


def put_back(connection: sqlite3.Connection, messages: Sequence[Received]) -> None:
    """Free what nobody has got to see: that does not count as a delivery."""
    for message in messages:
        connection.execute(
            "UPDATE messages SET lock='', locked_until=0, holder=0, deliveries=deliveries-1 WHERE sequence=? AND lock=?",
            (message.sequence_number, message.lock_token),
        )


def release_session(connection: sqlite3.Connection, path: QueuePath, session: str, lock: str, now: float) -> None:
    """Give a session back. As in Service Bus, closing it does not count as a delivery of what was not settled."""
    found = connection.execute(
        "UPDATE sessions SET lock='', locked_until=? WHERE queue=? AND session=? AND lock=?",
        (now, path.name, session, lock),
    )
    if not found.rowcount:  # somebody else's meanwhile, and so are its messages
        return
    connection.execute(
        f"UPDATE messages SET lock='', deliveries=deliveries-1 WHERE queue=? AND lane=? AND substr(lock,1,{LOCK_LENGTH})=?",  # noqa: S608  a constant
        (path.name, session, lock),
    )
    _forget_if_empty(connection, path, session)


def _received(path: QueuePath, row: tuple[Any, ...], lock: str, until: float) -> Received:
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

"""What engines do to the Durable engine's file: lock work, write its results. Raises Conflict wherever a lock was lost."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from uuid import uuid4

from local.durable import events, sql_instances
from local.durable.events import Event
from local.durable.records import Activity, Episode, Lock, Outcome
from shared.messages import Conflict

INSTANCES = "instances"
TASKS = "tasks"
_AT_ONCE = 1000
"""The most messages that one episode takes."""
_READY = (
    "SELECT i.number FROM inbox m JOIN instances i ON i.number=m.instance "
    "WHERE m.due<=?1 AND i.locked_until<=?1 ORDER BY m.due LIMIT 1"
)
_FREE = "SELECT number, instance, scheduled, name, input FROM tasks WHERE locked_until<=? ORDER BY number LIMIT 1"


def episode_is_ready(connection: sqlite3.Connection, now: float) -> bool:
    """Whether some instance has something to do."""
    return connection.execute(_READY, (now,)).fetchone() is not None


def activity_is_ready(connection: sqlite3.Connection, now: float) -> bool:
    """Whether some activity is to run."""
    return connection.execute(_FREE, (now,)).fetchone() is not None


def next_due(connection: sqlite3.Connection, now: float) -> float | None:
    """When the earliest timer fires that is not due yet."""
    due: float | None = connection.execute("SELECT min(due) FROM inbox WHERE due>?", (now,)).fetchone()[0]
    return due


def take_episode(connection: sqlite3.Connection, now: float, until: float, holder: int) -> Episode | None:
    """Lock the instance whose message has been due for longest."""
    ready = connection.execute(_READY, (now,)).fetchone()
    if ready is None:
        return None
    number: int = ready[0]
    lock = _lock(connection, INSTANCES, number, until, holder)
    row = connection.execute(
        f"SELECT {sql_instances.COLUMNS} FROM instances WHERE number=?",  # noqa: S608  constants
        (number,),
    ).fetchone()
    messages = connection.execute(
        "SELECT number, event FROM inbox WHERE instance=? AND due<=? ORDER BY due, number LIMIT ?",
        (number, now, _AT_ONCE),
    ).fetchall()
    return Episode(
        lock=lock,
        instance=sql_instances.instance_of(row),
        history=sql_instances.history(connection, number),
        messages=[json.loads(event) for _, event in messages],
        taken=[each for each, _ in messages],
    )


def take_activity(connection: sqlite3.Connection, now: float, until: float, holder: int) -> Activity | None:
    """Lock the activity that has waited for longest."""
    row = connection.execute(_FREE, (now,)).fetchone()
    if row is None:
        return None
    number, instance, *rest = row
    lock = _lock(connection, TASKS, number, until, holder)
    named = connection.execute("SELECT id FROM instances WHERE number=?", (instance,)).fetchone()
    return Activity(lock, named[0], *rest)


def _lock(connection: sqlite3.Connection, table: str, number: int, until: float, holder: int) -> Lock:
    token = uuid4().hex
    connection.execute(
        f"UPDATE {table} SET lock=?, locked_until=?, holder=? WHERE number=?",  # noqa: S608  a constant
        (token, until, holder, number),
    )
    return Lock(table, number, token)


def renew(connection: sqlite3.Connection, locks: Iterable[Lock], now: float, until: float) -> None:
    """Renew the locks that are still held; that another one was lost shows when its result is written."""
    for lock in locks:
        connection.execute(
            f"UPDATE {lock.table} SET locked_until=? WHERE number=? AND lock=? AND locked_until>?",  # noqa: S608
            (until, lock.number, lock.token, now),
        )


def release(connection: sqlite3.Connection, lock: Lock) -> None:
    """Give a piece of work back undone; one that was lost is somebody else's and stays so."""
    connection.execute(
        f"UPDATE {lock.table} SET lock='', locked_until=0 WHERE number=? AND lock=?",  # noqa: S608  a constant
        (lock.number, lock.token),
    )


def finish_activity(connection: sqlite3.Connection, now: float, lock: Lock, result: Event) -> None:
    """Take an activity away and hand its result to its instance."""
    row = connection.execute(
        "DELETE FROM tasks WHERE number=? AND lock=? AND locked_until>? RETURNING instance",
        (lock.number, lock.token, now),
    ).fetchone()
    if row is None:
        raise Conflict("the lock of an activity was lost, or its instance ended: its result counts for nothing")
    sql_instances.put(connection, row[0], result, due=now)


def finish_episode(connection: sqlite3.Connection, now: float, episode: Episode, outcome: Outcome) -> None:
    """Write everything that an episode came to, and give its instance back."""
    number = episode.lock.number
    changed = connection.execute(
        "UPDATE instances SET status=?, output=?, custom_status=?, updated=?, lock='', locked_until=0 "
        "WHERE number=? AND lock=? AND locked_until>?",
        (outcome.status, outcome.output, outcome.custom_status, now, number, episode.lock.token, now),
    )
    if not changed.rowcount:
        raise Conflict(f"the lock of the instance {episode.instance.id} was lost: its episode counts for nothing")
    connection.executemany("DELETE FROM inbox WHERE number=?", ((each,) for each in episode.taken))
    if outcome.continued:
        _begin_anew(connection, now, number, outcome.continued)
        return
    behind = len(episode.history)
    connection.executemany(
        "INSERT INTO history VALUES (?,?,?)",
        ((number, behind + place, json.dumps(event)) for place, event in enumerate(outcome.events)),
    )
    if outcome.status.final:
        sql_instances.clear(connection, number)
        connection.execute("DELETE FROM inbox WHERE instance=?", (number,))
        return
    _schedule(connection, number, outcome)


def _begin_anew(connection: sqlite3.Connection, now: float, number: int, begin: Event) -> None:
    """Continue as new: what the execution had received and not used goes with its history."""
    sql_instances.clear(connection, number)
    connection.execute("DELETE FROM history WHERE instance=?", (number,))
    connection.execute("UPDATE instances SET input=?, created=? WHERE number=?", (begin["Input"], now, number))
    first = connection.execute("SELECT min(due) FROM inbox WHERE instance=?", (number,)).fetchone()[0]
    # An event that came meanwhile is behind the start, whatever the clock said.
    sql_instances.put(connection, number, begin, due=now if first is None else min(now, first - 1e-6))


def _schedule(connection: sqlite3.Connection, number: int, outcome: Outcome) -> None:
    connection.executemany(
        "INSERT INTO tasks (instance, scheduled, name, input) VALUES (?,?,?,?)",
        ((number, task.number, task.name, task.input) for task in outcome.tasks),
    )
    for timer in outcome.timers:
        if not timer.cancelled:
            fired = events.timer_fired(timer.due, number=timer.number, due=timer.due)
            sql_instances.put(connection, number, fired, due=timer.due, timer=timer.number)
    connection.executemany(
        "DELETE FROM inbox WHERE instance=? AND timer=?", ((number, timer) for timer in outcome.cancelled)
    )

"""What clients do to the Durable engine's file: start, send, look, purge."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from local.durable import events
from local.durable.events import Event
from local.durable.records import Gone, Instance, Status
from shared.messages import Conflict

COLUMNS = "number, id, name, status, input, output, custom_status, created, updated"


def instance_of(row: tuple[Any, ...]) -> Instance:
    """A row of COLUMNS."""
    number, name, function, status, *rest = row
    return Instance(number, name, function, Status(status), *rest)


def read(connection: sqlite3.Connection, id: str) -> Instance | None:
    """The instance of an id."""
    row = connection.execute(f"SELECT {COLUMNS} FROM instances WHERE id=?", (id,)).fetchone()  # noqa: S608  constants
    return instance_of(row) if row else None


def history(connection: sqlite3.Connection, number: int) -> list[Event]:
    """The history of an instance's present execution."""
    rows = connection.execute("SELECT event FROM history WHERE instance=? ORDER BY sequence", (number,))
    return [json.loads(event) for (event,) in rows]


def start(
    connection: sqlite3.Connection, now: float, *, name: str, id: str, input: str | None, version: str | None
) -> None:
    """Create an instance, in place of one that is finished. Raises Conflict where one is not."""
    known = read(connection, id)
    if known and not known.status.final:
        raise Conflict(f"An Orchestration instance with the status {known.status} already exists.", exists=True)
    if known:
        delete(connection, known.number)
    row = connection.execute(
        "INSERT INTO instances (id, name, status, input, created, updated) VALUES (?1,?2,?3,?4,?5,?5) RETURNING number",
        (id, name, Status.PENDING, input, now),
    ).fetchone()
    begin = events.execution_started(now, name=name, instance=id, input=input, version=version)
    put(connection, row[0], begin, due=now)


def put(
    connection: sqlite3.Connection,
    number: int,
    event: Event,
    *,
    due: float,
    timer: int | None = None,
    external: bool = False,
) -> None:
    """Put an event into an instance's inbox."""
    connection.execute(
        "INSERT INTO inbox (instance, due, event, timer, external) VALUES (?,?,?,?,?)",
        (number, due, json.dumps(event), timer, external),
    )


def send(connection: sqlite3.Connection, now: float, id: str, event: Event) -> Gone | None:
    """Send an event from outside; say why where it reaches nobody."""
    known = read(connection, id)
    if known is None:
        return Gone.UNKNOWN
    if known.status.final:
        return Gone.FINISHED
    put(connection, known.number, event, due=now, external=True)
    return None


def purge(connection: sqlite3.Connection, id: str) -> Status | None:
    """Forget a finished instance; return what its status was."""
    known = read(connection, id)
    if known is None:
        return None
    if known.status.final:
        delete(connection, known.number)
    return known.status


def delete(connection: sqlite3.Connection, number: int) -> None:
    """Remove an instance and everything of it."""
    clear(connection, number)
    connection.execute("DELETE FROM inbox WHERE instance=?", (number,))
    connection.execute("DELETE FROM history WHERE instance=?", (number,))
    connection.execute("DELETE FROM instances WHERE number=?", (number,))


def clear(connection: sqlite3.Connection, number: int) -> None:
    """Remove what an execution that ended had still to come: its activities, timers and results."""
    connection.execute("DELETE FROM tasks WHERE instance=?", (number,))
    connection.execute("DELETE FROM inbox WHERE instance=? AND external=0", (number,))

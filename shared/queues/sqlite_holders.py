"""Who has the SQLite broker's file open: whose locks those are, and where its wake-ups go."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holder:
    """One open broker. It takes wake-ups for its `queues` on a loopback port."""

    number: int
    process: str
    port: int
    queues: frozenset[str]


def all_holders(connection: sqlite3.Connection) -> list[Holder]:
    """Every broker that has the file open, and those of processes that died with it open."""
    rows = connection.execute("SELECT number, process, port, queues FROM holders").fetchall()
    return [Holder(number, process, port, frozenset(queues.split())) for number, process, port, queues in rows]


def add(connection: sqlite3.Connection, process: str, port: int) -> int:
    """Register an open broker; return its number."""
    row = connection.execute(
        "INSERT INTO holders (process, port, queues) VALUES (?,?,'') RETURNING number", (process, port)
    )
    number: int = row.fetchone()[0]
    return number


def listen(connection: sqlite3.Connection, number: int, queues: set[str]) -> None:
    """Note the queues that a holder waits for."""
    connection.execute("UPDATE holders SET queues=? WHERE number=?", (" ".join(sorted(queues)), number))


def void(connection: sqlite3.Connection, number: int) -> None:
    """End every lock of a holder and forget it."""
    connection.execute("UPDATE messages SET locked_until=0 WHERE holder=? AND locked_until>0", (number,))
    connection.execute("UPDATE sessions SET locked_until=0 WHERE holder=?", (number,))
    connection.execute("DELETE FROM holders WHERE number=?", (number,))

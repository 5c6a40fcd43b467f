"""The file of spans in the data folder: what is in it, how it is written, bounded and read."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

FILE: Final = "spans.db"
Error = sqlite3.Error
"""What goes wrong with the file."""
_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS span (
    trace TEXT, id TEXT, parent TEXT, name TEXT, kind TEXT, started INTEGER, ended INTEGER, failed INTEGER,
    event TEXT, conversation TEXT, process INTEGER, attributes TEXT, links TEXT, PRIMARY KEY (trace, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS span_event ON span (event) WHERE event <> '';
CREATE INDEX IF NOT EXISTS span_ended ON span (ended);
"""
_BUSY_MS = 10_000
_AT_ONCE = 2_000
"""How many spans a look removes at most."""
_MOST = 1_000
"""How many events or traces are looked for at once."""
_OF_EVENTS = "SELECT DISTINCT trace FROM span WHERE event <> '' AND event IN (SELECT value FROM json_each(?))"
_OF_TRACES = "SELECT * FROM span WHERE trace IN (SELECT value FROM json_each(?)) ORDER BY started, ended DESC"
_LINKED = (
    "SELECT DISTINCT span.trace FROM span, json_each(span.links) AS link"
    " WHERE span.links <> '[]' AND substr(link.value, 4, 32) IN (SELECT value FROM json_each(?))"
)

Row = tuple[str, str, str, str, str, int, int, bool, str, str, int, str, str]


@dataclass(frozen=True, slots=True)
class KeptSpan:
    """A span as it is kept."""

    trace: str
    id: str
    parent: str
    """Empty for the first of a trace."""
    name: str
    kind: str
    started: datetime
    ended: datetime
    failed: bool
    event: str
    conversation: str
    process: int
    attributes: Mapping[str, object] = field(default_factory=dict)
    links: Sequence[str] = ()
    """Traceparents of spans of other traces."""


def open_to_write(path: str) -> sqlite3.Connection:
    """Open or create the file. May be called in any thread, and used in any one at a time."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")  # spans may be lost with the machine
    if connection.execute("PRAGMA user_version").fetchone()[0] not in (0, _VERSION):
        connection.execute("DROP TABLE IF EXISTS span")  # kept for days at most: not worth a migration
    connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={_VERSION}; COMMIT;")
    return connection


def write(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Add spans in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany("INSERT OR REPLACE INTO span VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", rows)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def prune(connection: sqlite3.Connection, *, keep_ns: int, most_bytes: int) -> None:
    """Remove what is too old, and the oldest of what is too much. The file keeps its pages and uses them again."""
    connection.execute(
        "DELETE FROM span WHERE (trace, id) IN (SELECT trace, id FROM span WHERE ended < ? ORDER BY ended LIMIT ?)",
        (time.time_ns() - keep_ns, _AT_ONCE),
    )
    [size], [pages], [free] = (
        connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_size", "page_count", "freelist_count")
    )
    if (pages - free) * size > most_bytes:
        connection.execute(
            "DELETE FROM span WHERE (trace, id) IN (SELECT trace, id FROM span ORDER BY ended LIMIT ?)", (_AT_ONCE,)
        )


def of_events(path: Path, events: Sequence[str]) -> list[KeptSpan]:
    """The spans of every trace that some events have a part in or that is linked with one, the earliest first.

    A link leads from one trace to another: from a run to the answer that it waited for. None where there is no file.
    """
    own = of_traces(path, _traces(path, _OF_EVENTS, events))
    traces = {span.trace for span in own}
    linked = {link[3:35] for span in own for link in span.links} | set(_traces(path, _LINKED, sorted(traces)))
    return sorted(
        [*own, *of_traces(path, sorted(linked - traces))], key=lambda one: (one.started, -one.ended.timestamp())
    )


def of_traces(path: Path, traces: Sequence[str]) -> list[KeptSpan]:
    """The spans of some traces, the earliest first; none where there is no file."""
    return [_kept(row) for row in _read(path, _OF_TRACES, traces)]


def _traces(path: Path, statement: str, values: Sequence[str]) -> list[str]:
    return [row[0] for row in _read(path, statement, values)]


def _read(path: Path, statement: str, values: Sequence[str]) -> list[Any]:
    if not values or not path.exists():
        return []
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'span'").fetchone():
            return []  # it is being made
        return connection.execute(statement, (json.dumps(list(values)[:_MOST]),)).fetchall()


def _kept(row: Row) -> KeptSpan:
    return KeptSpan(
        trace=row[0],
        id=row[1],
        parent=row[2],
        name=row[3],
        kind=row[4],
        started=datetime.fromtimestamp(row[5] / 1e9, UTC),
        ended=datetime.fromtimestamp(row[6] / 1e9, UTC),
        failed=bool(row[7]),
        event=row[8],
        conversation=row[9],
        process=row[10],
        attributes=json.loads(row[11]),
        links=json.loads(row[12]),
    )


def orphans(spans: Sequence[KeptSpan]) -> list[KeptSpan]:
    """The spans whose parent is not among these: none, where a trace is whole."""
    there = {(one.trace, one.id) for one in spans}
    return [one for one in spans if one.parent and (one.trace, one.parent) not in there]

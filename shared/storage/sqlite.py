"""The store on one SQLite file: what Cosmos DB can do, and no more."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeVar

from pydantic_core import from_json, to_json

from shared.messages import Conflict, StoreUnavailable, TooLarge
from shared.ports import (
    BATCH_BYTES,
    BATCH_OPERATIONS,
    Create,
    Delete,
    Document,
    Json,
    Operation,
    Page,
    Partition,
    Parts,
    Put,
    Replace,
)
from shared.sqlite import SqliteFile
from shared.steps import Step

VERSION = 1
SCHEMA = """
CREATE TABLE document (
  tenant TEXT NOT NULL, partition TEXT NOT NULL, id TEXT NOT NULL,
  body TEXT NOT NULL, etag INTEGER NOT NULL,
  kind TEXT, n INTEGER, state TEXT, wake_at TEXT, ring TEXT, expires REAL,
  PRIMARY KEY (tenant, partition, id)
);
CREATE INDEX by_kind ON document (tenant, partition, kind, n);
CREATE INDEX by_wake ON document (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX by_dead_letter ON document (tenant, n) WHERE kind = 'dead_letter' AND state = 'open';
CREATE INDEX by_expiry ON document (expires) WHERE expires IS NOT NULL;
"""
# Rows lie in the order in which they came, so that what is written together is written to the same few pages.
_COLUMNS = "id, body, etag"
_LIVE = "(expires IS NULL OR expires > ?)"
_POINT = f"SELECT {_COLUMNS} FROM document WHERE tenant = ? AND partition = ? AND id = ? AND {_LIVE}"  # noqa: S608  only constants
_INSERT = (
    "INTO document (tenant, partition, id, body, kind, n, state, wake_at, ring, expires, etag)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_REPLACE = (
    "UPDATE document SET body = ?1, state = ?4, wake_at = ?5, ring = ?6, expires = ?7, etag = etag + 1"
    " WHERE tenant = ?8 AND partition = ?9 AND id = ?10 AND etag = ?11 AND (expires IS NULL OR expires > ?12)"
    " AND kind IS ?2 AND n IS ?3"
)
"""For a document that keeps its kind and number, as nearly all do: then the index over them is left alone."""
_RENUMBER = (
    "UPDATE document SET body = ?1, kind = ?2, n = ?3, state = ?4, wake_at = ?5, ring = ?6, expires = ?7,"
    " etag = etag + 1"
    " WHERE tenant = ?8 AND partition = ?9 AND id = ?10 AND etag = ?11 AND (expires IS NULL OR expires > ?12)"
)
_EXPIRY = "SELECT etag, expires FROM document WHERE tenant = ? AND partition = ? AND id = ?"
_PURGE_EVERY_SECONDS = 60.0
_PURGE_AT_ONCE = 500

T = TypeVar("T")


def build(parts: Parts) -> SqliteStore:
    """The store in the data folder."""
    settings = parts.settings
    file = SqliteFile(
        settings.home / "store.db", schema=SCHEMA, version=VERSION, sync=settings.sync, busy=StoreUnavailable
    )
    return SqliteStore(file)


class SqliteStore:
    """The Store port on SQLite. Expired documents are invisible at once and removed in passing."""

    lag = 0.0

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._purged_at = 0.0

    async def read(self, *, partition: Partition, id: str) -> Document | None:
        """Point-read one document."""
        values = (partition.tenant, partition.key, id, time.time())
        row = self._read(lambda connection: connection.execute(_POINT, values).fetchone())
        return _document(partition, row) if row else None

    async def query(
        self,
        *,
        partition: Partition,
        kind: str,
        states: Sequence[str] = (),
        after: int | None = None,
        before: int | None = None,
        descending: bool = False,
        limit: int = 100,
    ) -> Sequence[Document]:
        """Documents of a kind inside one partition, by their `n`."""
        statement = _query(kind, len(states), after is not None, before is not None, descending)
        bounds = [bound for bound in (after, before) if bound is not None]
        values = (partition.tenant, partition.key, time.time(), *states, *bounds, limit)
        rows = self._read(lambda connection: connection.execute(statement, values).fetchall())
        return [_document(partition, row) for row in rows]

    async def batch(self, *, step: Step, partition: Partition, operations: Sequence[Operation]) -> Sequence[str]:
        """Do all operations in one transaction, or none."""
        if not 0 < len(operations) <= BATCH_OPERATIONS:
            raise TooLarge(f"{step}: a transaction has 1 to {BATCH_OPERATIONS} operations, not {len(operations)}")
        prepared = [(operation, _row(operation)) for operation in operations]
        size = sum(len(row[0].encode()) for _, row in prepared if row)
        if size > BATCH_BYTES:
            raise TooLarge(f"{step}: a transaction holds at most {BATCH_BYTES} bytes, not {size}")
        now = time.time()

        def write(connection: sqlite3.Connection) -> list[str]:
            self._purge(connection, now)
            return [
                _apply(connection, partition, operation, row, index, now)
                for index, (operation, row) in enumerate(prepared)
            ]

        return await self._file.write(write)

    async def due(self, *, now: datetime, rings: Sequence[str] = (), limit: int = 100, continuation: str = "") -> Page:
        """Across partitions: documents whose `wake_at` is not later than `now`, the earliest first."""
        where = ["wake_at <= ?", _LIVE]
        values: list[object] = [_instant(now), time.time()]
        if rings:
            where.append(f"ring IN ({', '.join('?' * len(rings))})")
            values.extend(rings)
        return self._page(where, values, order="wake_at, tenant, partition, id", limit=limit, continuation=continuation)

    async def dead_letters(self, *, tenant: str, limit: int = 100, continuation: str = "") -> Page:
        """Across partitions: open dead letters, the newest first."""
        where = ["kind = 'dead_letter'", "state = 'open'", "tenant = ?", _LIVE]
        return self._page(where, [tenant, time.time()], order="n DESC", limit=limit, continuation=continuation)

    async def close(self) -> None:
        """Close the file."""
        await self._file.close()

    def _page(self, where: list[str], values: list[object], *, order: str, limit: int, continuation: str) -> Page:
        skip = int(continuation or 0)
        statement = (
            f"SELECT {_COLUMNS}, tenant, partition FROM document"  # noqa: S608  only constants and placeholders
            f" WHERE {' AND '.join(where)} ORDER BY {order} LIMIT ? OFFSET ?"
        )
        rows = self._read(lambda connection: connection.execute(statement, (*values, limit + 1, skip)).fetchall())
        more = str(skip + limit) if len(rows) > limit else ""
        return Page(documents=tuple(_document(Partition(*row[3:]), row[:3]) for row in rows[:limit]), continuation=more)

    def _read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return self._file.read(function)
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(f"store.db could not be read: {error}") from error

    def _purge(self, connection: sqlite3.Connection, now: float) -> None:
        if now - self._purged_at < _PURGE_EVERY_SECONDS:
            return
        self._purged_at = now
        connection.execute(
            "DELETE FROM document WHERE (tenant, partition, id) IN"
            " (SELECT tenant, partition, id FROM document WHERE expires <= ? LIMIT ?)",
            (now, _PURGE_AT_ONCE),
        )


@lru_cache
def _query(kind: str, states: int, after: bool, before: bool, descending: bool) -> str:
    """The statement of a query. The kind stands in it: as a value, the partial index over one kind would make SQLite
    prepare the statement anew for every call, which takes five times as long as the query itself.
    """
    literal = kind.replace("'", "''")
    where = ["tenant = ?", "partition = ?", f"kind = '{literal}'", _LIVE]
    if states:
        where.append(f"state IN ({', '.join('?' * states)})")
    where += ["n > ?"] * after + ["n < ?"] * before
    order = "DESC" if descending else "ASC"
    return f"SELECT {_COLUMNS} FROM document WHERE {' AND '.join(where)} ORDER BY n {order} LIMIT ?"  # noqa: S608  constants, placeholders, and a quoted kind


_Row = tuple[str, str | None, int | None, str | None, str | None, str | None, float | None]


def _instant(moment: datetime) -> str:
    """A form of UTC times that sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _row(operation: Operation) -> _Row | None:
    if isinstance(operation, Delete):
        return None
    body = operation.body
    wake_at = body.get("wake_at")
    return (
        to_json(body).decode(),
        body.get("kind"),
        body.get("n"),
        body.get("state"),
        _instant(datetime.fromisoformat(wake_at)) if wake_at else None,
        body.get("ring"),
        body.get("ttl"),
    )


def _apply(
    connection: sqlite3.Connection, partition: Partition, operation: Operation, row: _Row | None, index: int, now: float
) -> str:
    key = (partition.tenant, partition.key, operation.id)
    if isinstance(operation, Delete):
        done = connection.execute(
            "DELETE FROM document WHERE tenant = ? AND partition = ? AND id = ? AND etag = ?",
            (*key, int(operation.etag)),
        )
        if done.rowcount == 0:
            raise Conflict(f"{operation.id!r} was changed or is gone", index=index)
        return ""
    assert row is not None
    body, kind, n, state, wake_at, ring, ttl = row
    values = (body, kind, n, state, wake_at, ring, now + ttl if ttl else None)
    match operation:
        case Replace(etag=etag):
            given = (*values, *key, int(etag), now)
            if not connection.execute(_REPLACE, given).rowcount and not connection.execute(_RENUMBER, given).rowcount:
                raise Conflict(f"{operation.id!r} was changed or is gone", index=index)
            return str(int(etag) + 1)
        case Create():
            return _create(connection, key, values, index=index, now=now)
        case Put():
            return _put(connection, key, values)


def _create(
    connection: sqlite3.Connection, key: tuple[str, str, str], values: tuple[object, ...], *, index: int, now: float
) -> str:
    etag = _first_etag()
    if connection.execute(f"INSERT OR IGNORE {_INSERT}", (*key, *values, etag)).rowcount:
        return str(etag)
    # An expired document is as good as gone, but its etag goes on: nobody may match one from before.
    _, expires = connection.execute(_EXPIRY, key).fetchone()
    if expires is None or expires > now:
        raise Conflict(f"{key[2]!r} exists", index=index, exists=True)
    return _put(connection, key, values)


def _put(connection: sqlite3.Connection, key: tuple[str, str, str], values: tuple[object, ...]) -> str:
    found = connection.execute(_EXPIRY, key).fetchone()
    etag = found[0] + 1 if found else _first_etag()
    connection.execute(f"INSERT OR REPLACE {_INSERT}", (*key, *values, etag))
    return str(etag)


def _first_etag() -> int:
    return time.time_ns() // 1000


def _document(partition: Partition, row: tuple[str, str, int]) -> Document:
    name, body, etag = row
    loaded: Json = from_json(body)
    return Document(partition=partition, id=name, body=loaded, etag=str(etag))

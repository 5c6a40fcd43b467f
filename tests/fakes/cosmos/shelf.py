"""One container: items in our SQLite store, and what each client sees of them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from shared.messages import Conflict, StoreUnavailable
from shared.ports import Create, Delete, Operation, Partition, Put, Replace
from shared.settings import Sync
from shared.sqlite import SqliteFile
from shared.steps import Step
from shared.storage.sqlite import SCHEMA, VERSION, SqliteStore
from tests.fakes.cosmos import sql

Item = dict[str, Any]
_COLUMNS = "tenant, partition, id, body, etag, kind, n, state, wake_at, ring, expires"
_ROW = f"SELECT {_COLUMNS} FROM document WHERE tenant = ? AND partition = ? AND id = ?"
_COPY = f"INSERT OR REPLACE INTO document ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ETAG = "SELECT etag FROM document WHERE tenant = ? AND partition = ? AND id = ?"
_REMOVE = "DELETE FROM document WHERE tenant = ? AND partition = ? AND id = ?"


@dataclass(frozen=True)
class Written:
    """A document that a client wrote, as its row is now; None: it is gone."""

    at: float
    client: str
    key: tuple[str, str, str]
    row: tuple[Any, ...] | None


@dataclass
class Replica:
    """What one client sees: its own writes at once, those of others later."""

    rows: sqlite3.Connection
    seen: int = 0
    waiting: list[Written] = field(default_factory=list)


class Shelf:
    """A container. `paths` are those of its partition key; `lag` is how late others' writes are seen, in seconds."""

    def __init__(self, *, file: Path, paths: Sequence[str], lag: float = 0.0) -> None:
        self.paths = tuple(paths)
        self._file = SqliteFile(file, schema=SCHEMA, version=VERSION, sync=Sync.NORMAL, busy=StoreUnavailable)
        self._store = SqliteStore(self._file)
        self._lag = lag
        self._log: list[Written] = []
        self._replicas: dict[str, Replica] = {}

    def partition(self, key: Sequence[str]) -> Partition:
        """Where the items of a partition key lie."""
        tenant, name = key if len(self.paths) > 1 else ("", key[0])
        return Partition(tenant, name)

    async def write(self, client: str, key: Sequence[str], operations: Sequence[Operation]) -> list[str]:
        """Do a transaction; return the new etags. Raises Conflict, or TooLarge."""
        partition = self.partition(key)
        etags = await self._store.batch(step=Step.ARRIVE, partition=partition, operations=operations)
        if self._lag:
            self._note(client, partition, operations)
        return list(etags)

    async def remove(self, client: str, key: Sequence[str], id: str) -> bool:
        """Delete an item whatever its etag; False where there is none."""
        while found := await self._store.read(partition=self.partition(key), id=id):
            try:
                await self.write(client, key, [Delete(id, found.etag)])
            except Conflict:
                continue
            return True
        return False

    async def read(self, client: str, key: Sequence[str], id: str) -> Item | None:
        """An item as a client sees it."""
        partition = self.partition(key)
        statement = "SELECT body, etag FROM document WHERE tenant = ? AND partition = ? AND id = ? AND" + _LIVE
        rows = self._select(client, statement, (partition.tenant, partition.key, id, time.time()))
        return _item(*rows[0]) if rows else None

    def query(self, client: str, key: Sequence[str] | None, select: sql.Select) -> list[Item]:
        """What a statement selects, in a partition or in all of them."""
        where, values = ["(" + select.where + ")", _LIVE], [*select.values, time.time()]
        if key is not None:
            partition = self.partition(key)
            where.append("tenant = ? AND partition = ?")
            values += [partition.tenant, partition.key]
        statement = f"SELECT body, etag FROM document WHERE {' AND '.join(where)}"
        if select.order:
            path = ".".join(f'"{step}"' for step in select.order.split("."))
            statement += f" ORDER BY json_extract(body, '$.{path}') {'DESC' if select.descending else 'ASC'}"
        if select.limit is not None:
            statement += f" LIMIT {select.limit} OFFSET {select.offset}"
        return [_projected(_item(*row), select) for row in self._select(client, statement, values)]

    async def close(self) -> None:
        """Close the file."""
        await self._store.close()

    def _select(self, client: str, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        if not self._lag:
            return self._file.read(lambda connection: connection.execute(statement, values).fetchall())
        return self._replica(client).rows.execute(statement, values).fetchall()

    # --- what a client does not see yet ---

    def _note(self, client: str, partition: Partition, operations: Sequence[Operation]) -> None:
        for one in operations:
            key = (partition.tenant, partition.key, one.id)
            row = self._file.read(_reading(key))
            self._log.append(Written(time.monotonic(), client, key, row))

    def _replica(self, client: str) -> Replica:
        replica = self._replicas.get(client)
        if replica is None:
            replica = self._replicas[client] = Replica(sqlite3.connect(":memory:"), seen=len(self._log))
            self._file.read(lambda connection: connection.backup(replica.rows))
        replica.waiting += self._log[replica.seen :]
        replica.seen = len(self._log)
        old = time.monotonic() - self._lag
        visible = [one for one in replica.waiting if one.client == client or one.at <= old]
        replica.waiting = [one for one in replica.waiting if not (one.client == client or one.at <= old)]
        for one in visible:
            _apply(replica.rows, one)
        return replica


_LIVE = " (expires IS NULL OR expires > ?) "


def _reading(key: tuple[str, str, str]) -> Callable[[sqlite3.Connection], tuple[Any, ...] | None]:
    return lambda connection: connection.execute(_ROW, key).fetchone()


def _apply(rows: sqlite3.Connection, written: Written) -> None:
    """A write of somebody else that is seen only now never hides a later one that was seen already."""
    if written.row is None:
        rows.execute(_REMOVE, written.key)
        return
    found = rows.execute(_ETAG, written.key).fetchone()
    if found is None or found[0] < written.row[4]:
        rows.execute(_COPY, written.row)


def _item(body: str, etag: int) -> Item:
    return {**from_json(body), "_etag": f'"{etag}"', "_rid": "rid", "_self": "", "_ts": int(time.time())}


def _projected(item: Item, select: sql.Select) -> Item:
    payload = {name: item[name] for name in select.fields if name in item} if select.fields else item
    if not select.ordered_rows:
        return payload
    value = item
    for step in select.order.split("."):
        value = value[step]
    return {"_rid": item["_rid"], "orderByItems": [{"item": value}], "payload": payload}


def operation(given: Mapping[str, Any]) -> Operation:
    """One operation of a transactional batch."""
    match given["operationType"]:
        case "Create":
            return Create(given["resourceBody"]["id"], given["resourceBody"])
        case "Replace":
            return Replace(given["id"], given["resourceBody"], etag(given["ifMatch"]))
        case "Upsert":
            return Put(given["resourceBody"]["id"], given["resourceBody"])
        case "Delete":
            return Delete(given["id"], etag(given["ifMatch"]))
    raise sql.NotUnderstood(given["operationType"])


def etag(text: str) -> str:
    """The store's etag in a header's. One that is not ours matches nothing."""
    plain = text.strip('"')
    return plain if plain.isdecimal() else "-1"

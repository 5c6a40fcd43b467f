"""What the store of a data folder holds, seen from beside its hosts: a file, or a database that the real SDK asks."""

from __future__ import annotations

import json
import sqlite3
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from azure.cosmos import ContainerProxy, CosmosClient

from shared.storage.cosmos_items import document
from tests.fakes.cosmos import beside
from tests.fakes.cosmos.own_database import Database

FILE = "store.db"


class Seen(NamedTuple):
    """A document, and the key of its partition."""

    partition: str
    body: dict[str, Any]


def look(home: Path, kind: str) -> list[Seen]:
    """The documents of a kind, by their numbers where they have some, otherwise as they began."""
    database = beside.database(home)
    found = _asked(database, kind) if database else _read(home / FILE, kind)
    return sorted(found, key=_place)


def _place(seen: Seen) -> tuple[str, int, str]:
    return seen.partition, int(seen.body.get("n") or 0), str(seen.body.get("started_at") or "")


def _read(file: Path, kind: str) -> list[Seen]:
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT partition, body FROM document WHERE kind = ?", (kind,))
        return [Seen(partition, json.loads(body)) for partition, body in rows]
    finally:
        connection.close()


def _asked(database: Database, kind: str) -> list[Seen]:
    found = _documents(database).query_items(
        "SELECT * FROM c WHERE c.kind = @kind",
        parameters=[{"name": "@kind", "value": kind}],
        enable_cross_partition_query=True,
    )
    return [Seen(one.partition.key, dict(one.body)) for one in map(document, found)]


@cache
def _documents(database: Database) -> ContainerProxy:
    client = CosmosClient(database.url, database.key)
    return client.get_database_client(database.name).get_container_client("documents")

"""The REST front: Cosmos DB's protocol as the real SDK speaks it, over shelves. Ours, not a third party's.

It implements what the adapters use and answers the rest with 400. Creating a database or a container is refused with
403, as the data-plane roles of Azure refuse it. `python -m tests.fakes.cosmos.front FOLDER PORT [PORT …]` runs it; each
port is another client, which with `--lag SECONDS` sees the others' writes that much later.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from shared.messages import Conflict, TooLarge
from shared.ports import Create, Operation, Put, Replace
from shared.storage.cosmos_items import PARTITION, TENANT
from tests.fakes.cosmos import sql
from tests.fakes.cosmos.shelf import Shelf, operation

KEY = "ZnJvbnQ="
"""What the SDK signs with."""
DATABASE = "praxos"
CONTAINERS = {
    "documents": ("store.db", (f"/{TENANT}", f"/{PARTITION}")),
    "checkpoints": ("cosmos-checkpoints.db", ("/partition_key",)),
    "memory": ("cosmos-memory.db", ("/prefix",)),
}
ACROSS_PARTITIONS = 1004
"""The sub-status that sends an SDK to ask for a query plan."""


class Front:
    """A database with the three containers, in a folder."""

    def __init__(self, folder: Path, *, lag: float = 0.0, database: str = DATABASE) -> None:
        self._database = database
        folder.mkdir(parents=True, exist_ok=True)
        self.shelves = {
            name: Shelf(file=folder / file, paths=paths, lag=lag) for name, (file, paths) in CONTAINERS.items()
        }
        self.asked: list[str] = []
        """Each request, as `METHOD path` and what it was."""
        self._runner: web.AppRunner | None = None

    async def start(self, *ports: int) -> list[str]:
        """Listen on loopback ports, 0 for a free one; return their addresses."""
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", self.answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        for port in ports or (0,):
            await web.TCPSite(self._runner, "127.0.0.1", port).start()
        return [f"http://127.0.0.1:{address[1]}" for address in self._runner.addresses]

    async def stop(self) -> None:
        """Stop listening and close the files."""
        if self._runner:
            await self._runner.cleanup()
        for shelf in self.shelves.values():
            await shelf.close()

    async def answer(self, request: web.Request) -> web.Response:
        """Any request."""
        try:
            return await self._route(request)
        except sql.NotUnderstood as error:
            return _error(400, f"not understood: {error}")
        except Conflict as error:
            return _error(409 if error.exists else 412, str(error))
        except TooLarge as error:
            return _error(413, str(error))

    async def _route(self, request: web.Request) -> web.Response:
        if not request.headers.get("Authorization"):
            return _error(401, "no authorization")
        parts = [part for part in request.path.split("/") if part]
        self.asked.append(f"{request.method} {request.path}")
        match [request.method, *parts]:
            case ["GET"]:
                return web.json_response(_account(f"http://{request.host}/"))
            case ["POST", "dbs"] | ["POST", "dbs", _, "colls"]:
                return _error(403, "a data-plane role creates no database and no container")
            case ["GET", "dbs", db] if db == self._database:
                return web.json_response({"id": db, "_rid": "db", "_self": f"dbs/{db}/"})
            case [_, "dbs", db, "colls", name, *rest] if db == self._database and name in self.shelves:
                return await self._container(request, name, rest)
        return _error(404, "no such thing", sub_status=1003)

    async def _container(self, request: web.Request, name: str, rest: Sequence[str]) -> web.Response:
        shelf = self.shelves[name]
        match [request.method, *rest]:
            case ["GET"]:
                kind = "MultiHash" if len(shelf.paths) > 1 else "Hash"
                key = {"paths": list(shelf.paths), "kind": kind, "version": 2}
                return web.json_response({"id": name, "_rid": f"rid-{name}", "_self": "", "partitionKey": key})
            case ["GET", "pkranges"]:
                if request.headers.get("If-None-Match"):
                    return web.Response(status=304, headers={"etag": '"1"'})
                whole = {"id": "0", "_rid": "range", "minInclusive": "", "maxExclusive": "FF", "status": "online"}
                return web.json_response(
                    {"_rid": "ranges", "PartitionKeyRanges": [whole], "_count": 1}, headers={"etag": '"1"'}
                )
            case ["POST", "docs"]:
                return await self._post(request, shelf)
            case [_, "docs", id]:
                return await self._point(request, shelf, id)
        return _error(400, "not implemented")

    async def _point(self, request: web.Request, shelf: Shelf, id: str) -> web.Response:
        key, client = _key(request), _client(request)
        if request.method == "DELETE":
            gone = await shelf.remove(client, key, id)
            return web.Response(status=204) if gone else _error(404, "no such item")
        found = await shelf.read(client, key, id)
        if found is None:
            return _error(404, "no such item")
        if request.method == "GET":
            return web.json_response(found, headers={"etag": found["_etag"]})
        return _error(400, "not implemented")

    async def _post(self, request: web.Request, shelf: Shelf) -> web.Response:
        given, headers = await request.json(), request.headers
        if headers.get("x-ms-cosmos-is-query-plan-request", "").lower() == "true":
            return web.json_response(sql.plan(given["query"], _values(given)))
        if headers.get("x-ms-documentdb-isquery", "").lower() == "true":
            return self._query(request, shelf, given)
        if headers.get("x-ms-cosmos-is-batch-request", "").lower() == "true":
            return await self._batch(request, shelf, given)
        upsert = headers.get("x-ms-documentdb-is-upsert", "").lower() == "true"
        one: Operation = Put(given["id"], given) if upsert else Create(given["id"], given)
        [tag] = await shelf.write(_client(request), _key(request), [one])
        return web.json_response({**given, "_etag": f'"{tag}"'}, status=201)

    def _query(self, request: web.Request, shelf: Shelf, given: dict[str, Any]) -> web.Response:
        key = _key(request) if "x-ms-documentdb-partitionkey" in request.headers else None
        query = given["query"]
        asked_of_a_range = "x-ms-documentdb-partitionkeyrangeid" in request.headers
        if key is None and sql.needs_plan(query) and not asked_of_a_range:
            return _error(400, "cross partition query", sub_status=ACROSS_PARTITIONS)
        found = shelf.query(_client(request), key, sql.parse(query, _values(given)))
        at = int(request.headers.get("x-ms-continuation") or 0)
        size = int(request.headers.get("x-ms-max-item-count") or 100)
        page = found[at : at + (size if size > 0 else 100)]
        more = {"x-ms-continuation": str(at + len(page))} if at + len(page) < len(found) else {}
        return web.json_response({"_rid": "", "Documents": page, "_count": len(page)}, headers=more)

    async def _batch(self, request: web.Request, shelf: Shelf, given: list[dict[str, Any]]) -> web.Response:
        operations = [operation(one) for one in given]
        key, client = _key(request), _client(request)
        try:
            tags = await shelf.write(client, key, operations)
        except Conflict as error:
            status = 409 if error.exists else 412
            if status == 412 and await shelf.read(client, key, operations[error.index].id) is None:
                status = 404
            each = [{"statusCode": status if place == error.index else 424} for place in range(len(operations))]
            return web.json_response(each, status=207)
        made = {Create: 201, Put: 200, Replace: 200}
        done = [
            {"statusCode": made.get(type(one), 204), "eTag": f'"{tag}"' if tag else None}
            for one, tag in zip(operations, tags, strict=True)
        ]
        return web.json_response(done)


def _account(endpoint: str) -> dict[str, Any]:
    here = [{"name": "here", "databaseAccountEndpoint": endpoint}]
    return {
        "id": "front",
        "_rid": "front",
        "writableLocations": here,
        "readableLocations": here,
        "enableMultipleWriteLocations": False,
        "userConsistencyPolicy": {"defaultConsistencyLevel": "BoundedStaleness"},
    }


def _values(given: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one["value"] for one in given.get("parameters") or ()}


def _key(request: web.Request) -> list[str]:
    key: list[str] = json.loads(request.headers["x-ms-documentdb-partitionkey"])
    return key


def _client(request: web.Request) -> str:
    """Whoever comes to this port."""
    assert request.transport
    return str(request.transport.get_extra_info("sockname")[1])


def _error(status: int, message: str, *, sub_status: int = 0) -> web.Response:
    headers = {"x-ms-substatus": str(sub_status)} if sub_status else {}
    return web.json_response({"code": str(status), "message": message}, status=status, headers=headers)


async def _serve(folder: Path, ports: Sequence[int], lag: float) -> None:
    front = Front(folder, lag=lag)
    for address in await front.start(*ports):
        print(address, flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await front.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("ports", type=int, nargs="+")
    parser.add_argument("--lag", type=float, default=0.0)
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.folder, arguments.ports, arguments.lag))

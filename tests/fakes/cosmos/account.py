"""An account of ours with its key: databases can be made, and each of them is a front.

For `--store service` where no account is to be had: `python -m tests.fakes.cosmos.account FOLDER PORT` runs one, and
COSMOS_ENDPOINT names it.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from tests.fakes.cosmos.front import CONTAINERS, Front


class Account(Front):
    """Answers what an account's key may, which no role of the app's may, and leaves the rest to a database's front."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder
        self.databases: dict[str, Front] = {}

    async def stop(self) -> None:
        """Stop listening and close every file."""
        await super().stop()
        for front in self.databases.values():
            await front.stop()

    async def _route(self, request: web.Request) -> web.Response:
        parts = [part for part in request.path.split("/") if part]
        self.asked.append(f"{request.method} {request.path}")
        match [request.method, *parts]:
            case ["POST", "dbs"]:
                name = (await request.json())["id"]
                self.databases[name] = Front(self._folder / name, database=name)
                return web.json_response({"id": name, "_rid": name, "_self": f"dbs/{name}/"}, status=201)
            case ["DELETE", "dbs", name] if name in self.databases:
                await self.databases.pop(name).stop()
                return web.Response(status=204)
            case ["POST", "dbs", name, "colls"] if name in self.databases:
                return _container(await request.json())
            case [_, "dbs", name, *_] if name in self.databases:
                return await self.databases[name].answer(request)
        return await super()._route(request)


def _container(given: dict[str, object]) -> web.Response:
    """Each front has its containers from the start: what is asked for must be one of them."""
    name, key = str(given["id"]), given["partitionKey"]
    assert isinstance(key, dict)
    if name not in CONTAINERS or tuple(key["paths"]) != CONTAINERS[name][1] or given.get("defaultTtl") != -1:
        return web.json_response({"code": "400", "message": "no container of the app's"}, status=400)
    return web.json_response({**given, "_rid": name, "_self": ""}, status=201)


async def _serve(folder: Path, ports: Sequence[int]) -> None:
    account = Account(folder)
    for address in await account.start(*ports):
        print(address, flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await account.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.folder, [arguments.port]))

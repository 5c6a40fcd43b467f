"""A Cosmos DB server that others wrote, run for one test: ready with the database, and ended with the test."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from azure.cosmos.aio import CosmosClient

from tests.fakes.cosmos import own_database
from tests.fakes.cosmos.front import DATABASE, KEY
from tests.fakes.faulty_proxy import FaultyProxy

START_SECONDS = 60.0


@asynccontextmanager
async def running(*command: str, listens: Callable[[Process], Awaitable[int]]) -> AsyncIterator[str]:
    """Run it; give its address. `listens` waits until it does, and gives its port on loopback."""
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=DEVNULL)
    try:
        async with asyncio.timeout(START_SECONDS):
            port = await listens(process)
        # Either says of itself that it speaks TLS: the proxy between says where it is.
        async with FaultyProxy(f"http://127.0.0.1:{port}").running() as proxy:
            await _make_ready(proxy.url)
            yield proxy.url
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _make_ready(url: str) -> None:
    """What a deployment does, and never the app."""
    async with CosmosClient(url, KEY) as client:
        await own_database.add_containers(await client.create_database_if_not_exists(DATABASE))

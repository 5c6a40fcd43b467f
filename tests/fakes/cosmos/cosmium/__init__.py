"""Cosmium, a Cosmos DB server that others wrote in Go: `make cosmium` builds what go.mod beside this file pins.

It is a proof of the wire, not of the semantics: what it lacks stands in LACKS. It checks who signed a request, and listens
on every address of the machine, for it knows no other way.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.fakes.cosmos import own_database
from tests.fakes.cosmos.front import KEY
from tests.fakes.faulty_proxy import FaultyProxy

PROGRAM = Path(__file__).resolve().parents[4] / "build" / "cosmium" / "server"
START_SECONDS = 30.0
TRIES = 5
LACKS: Mapping[str, str] = MappingProxyType(
    {
        "test_partitions_are_apart": "takes no notice of a partition key",
        "test_create_fails_where_the_id_is_taken": "does a transactional batch half",
        "test_replace_needs_the_etag": "checks no etag in a batch",
        "test_delete_needs_the_etag_and_an_id_can_come_back_with_another": "checks no etag in a batch",
        "test_one_of_many_racing_writers_wins": "checks no etag in a batch",
        "test_due_across_partitions_the_earliest_first": "takes a field that is not there for the least of all",
        "test_due_comes_in_pages": "orders what is equal by chance",
        "test_what_has_expired_is_gone": "has no TTL",
    }
)
"""Tests of the Store's contract that it cannot pass, and why. Everything else has to pass on it."""


@asynccontextmanager
async def running() -> AsyncIterator[str]:
    """Run it with a database and its containers; give its address. Skips where it was not built."""
    if not PROGRAM.is_file():
        pytest.skip("cosmium is not here: `make cosmium` builds it, with Go 1.24 or newer")
    process, port = await _start()
    try:
        # It says of itself that it speaks TLS: the proxy between says where it is.
        async with FaultyProxy(f"http://127.0.0.1:{port}").running() as proxy:
            await own_database.make_named(proxy.url)
            yield proxy.url
    finally:
        process.terminate()
        await process.wait()


async def _start() -> tuple[asyncio.subprocess.Process, int]:
    """It wants to be told a port. Somebody else may take a free one before it does: then another."""
    for _ in range(TRIES):
        port = _free_port()
        options = ("-DisableTls", "-Host", "127.0.0.1", "-Port", str(port), "-AccountKey", KEY, "-LogLevel", "silent")
        process = await asyncio.create_subprocess_exec(
            PROGRAM, *options, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        if await _listens(process, port):
            return process, port
    raise AssertionError(f"cosmium did not start on any of {TRIES} free ports")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("", 0))
        return int(free.getsockname()[1])


async def _listens(process: asyncio.subprocess.Process, port: int) -> bool:
    """Whether it took the port, rather than ended because somebody else has it."""
    async with asyncio.timeout(START_SECONDS):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return process.returncode is None
    return False

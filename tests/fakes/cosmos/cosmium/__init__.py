"""Cosmium, a Cosmos DB server that others wrote in Go: `make cosmium` builds what go.mod beside this file pins.

It is a proof of the wire, not of the semantics: what it lacks stands in LACKS. It checks who signed a request, and listens
on every address of the machine, for it knows no other way.
"""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.fakes.cosmos import of_others
from tests.fakes.cosmos.front import KEY
from tests.fakes.ports import free_port

PROGRAM = Path(__file__).resolve().parents[4] / "build" / "cosmium" / "server"
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


def running() -> AbstractAsyncContextManager[str]:
    """Run it; give its address. Skips where it was not built."""
    if not PROGRAM.is_file():
        pytest.skip("cosmium is not here: `make cosmium` builds it, with Go 1.24 or newer")
    port = free_port()
    options = ("-DisableTls", "-Host", "127.0.0.1", "-Port", str(port), "-AccountKey", KEY, "-LogLevel", "silent")

    async def listens(process: Process) -> int:
        while True:
            assert process.returncode is None, f"cosmium ended at its start: is port {port} taken?"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return port

    return of_others.running(str(PROGRAM), *options, listens=listens)

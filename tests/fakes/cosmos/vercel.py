"""`@vercel/cosmosdb-server`, a Cosmos DB server that others wrote in JavaScript, from npm.

It is a proof of the wire, not of the semantics: what it lacks stands in LACKS.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

from tests.fakes import npm
from tests.fakes.cosmos import own_database
from tests.fakes.faulty_proxy import FaultyProxy

VERSION = "1.0.1"
STARTED = 60.0
LACKS: Mapping[str, str] = MappingProxyType(
    {
        "test_partitions_are_apart": "takes no notice of a second level of the partition key",
        "test_create_fails_where_the_id_is_taken": "does a transactional batch half",
        "test_replace_needs_the_etag": "knows no partition key for a replace in a batch",
        "test_delete_needs_the_etag_and_an_id_can_come_back_with_another": "knows none for a delete in a batch",
        "test_put_overwrites": "knows none for an upsert in a batch",
        "test_one_of_many_racing_writers_wins": "knows none for a replace in a batch",
        "test_a_replaced_document_is_found_by_its_new_kind_and_number": "knows none for a replace in a batch",
        "test_due_comes_in_pages": "knows no OFFSET",
        "test_what_has_expired_is_gone": "has no TTL",
    }
)
"""Tests of the Store's contract that it cannot pass, and why. Everything else has to pass on it."""


@asynccontextmanager
async def running() -> AsyncIterator[str]:
    """Run it with a database and its containers; give its address. Skips where it cannot be had."""
    script = npm.script("@vercel/cosmosdb-server", VERSION, "lib/cli.js")
    process = await asyncio.create_subprocess_exec(
        *("node", str(script), "--no-ssl", "--host", "127.0.0.1", "-p", "0"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    try:
        async with asyncio.timeout(STARTED):
            said = (await process.stdout.readline()).decode()
        port = re.search(r":(\d+)\s*$", said)
        assert port, said
        # It says of itself that it speaks TLS: the proxy between says where it is.
        async with FaultyProxy(f"http://127.0.0.1:{port[1]}").running() as proxy:
            await own_database.make_named(proxy.url)
            yield proxy.url
    finally:
        process.terminate()
        await process.wait()

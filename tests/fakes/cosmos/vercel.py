"""`@vercel/cosmosdb-server`, a Cosmos DB server that others wrote in JavaScript, from npm.

It is a proof of the wire, not of the semantics: what it lacks stands in LACKS.
"""

from __future__ import annotations

import re
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType

from tests.fakes import npm
from tests.fakes.cosmos import of_others

VERSION = "1.0.1"
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


def running() -> AbstractAsyncContextManager[str]:
    """Run it; give its address. Skips where it cannot be had."""
    script = npm.script("@vercel/cosmosdb-server", VERSION, "lib/cli.js")
    return of_others.running("node", str(script), "--no-ssl", "--host", "127.0.0.1", "-p", "0", listens=_listens)


async def _listens(process: Process) -> int:
    assert process.stdout
    said = (await process.stdout.readline()).decode()
    port = re.search(r":(\d+)\s*$", said)
    assert port, said
    return int(port[1])

"""A database for one data folder on an account, made by the real SDK with the account's key: what a deployment does, never the app."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient, DatabaseProxy

from tests.fakes.cosmos.front import CONTAINERS, DATABASE, KEY


@dataclass(frozen=True)
class Database:
    """Where a store is, for its hosts and for whoever looks at it from beside them."""

    url: str
    key: str = KEY
    name: str = DATABASE

    @property
    def settings(self) -> Mapping[str, str]:
        """Those of a host that works on it."""
        return {
            "PRAXOS_STORE": "cosmos",
            "PRAXOS_COSMOS_ENDPOINT": self.url,
            "PRAXOS_COSMOS_KEY": self.key,
            "PRAXOS_COSMOS_DATABASE": self.name,
        }


async def make(url: str, *, key: str) -> Database:
    """Make one that nobody else uses."""
    made = Database(url, key, f"praxos-test-{secrets.token_hex(6)}")
    async with CosmosClient(url, key) as client:
        await add_containers(await client.create_database(made.name))
    return made


async def add_containers(database: DatabaseProxy) -> None:
    """Make the three containers, where they are not there."""
    for name, (_, paths) in CONTAINERS.items():
        kind = "MultiHash" if len(paths) > 1 else "Hash"
        partition = PartitionKey(path=list(paths) if len(paths) > 1 else paths[0], kind=kind)
        # -1: items that say so expire, no other ones.
        await database.create_container_if_not_exists(name, partition_key=partition, default_ttl=-1)


async def drop(database: Database) -> None:
    """Delete it, with all that is in it."""
    async with CosmosClient(database.url, database.key) as client:
        await client.delete_database(database.name)

"""A REST front of ours over our SQLite store, which speaks Cosmos DB's protocol to the real SDK. No third party's."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.storage.cosmos import CosmosStore
from shared.storage.cosmos_account import CosmosAccount, CosmosSettings
from shared.storage.cosmos_agent import CosmosCheckpoints, CosmosMemoryStore
from tests.fakes.cosmos.front import DATABASE, KEY, Front


@dataclass(frozen=True)
class Running:
    """A front that listens, and where."""

    url: str
    front: Front


@dataclass(frozen=True)
class Service:
    """An account that somebody named."""

    url: str
    key: str


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    """Run a front in this process."""
    front = Front(folder)
    [url] = await front.start()
    try:
        yield Running(url, front)
    finally:
        await front.stop()


def service() -> Service:
    """The account of the environment; skips the test where there is none."""
    if not (url := os.environ.get("COSMOS_ENDPOINT")):
        pytest.skip("COSMOS_ENDPOINT and COSMOS_KEY name no Cosmos DB account, nor an emulator")
    return Service(url, os.environ.get("COSMOS_KEY", ""))


def account(url: str, *, key: str = KEY, database: str = DATABASE) -> CosmosAccount:
    """A client of its own."""
    environ = {"PRAXOS_COSMOS_ENDPOINT": url, "PRAXOS_COSMOS_KEY": key, "PRAXOS_COSMOS_DATABASE": database}
    return CosmosAccount(settings=CosmosSettings.from_environ(environ), environ=environ).join()


def checkpoints(url: str, *, key: str = KEY) -> CosmosCheckpoints:
    """The Checkpoints port on a client of its own."""
    return CosmosCheckpoints(account(url, key=key), "checkpoints")


def memory(url: str, *, key: str = KEY) -> CosmosMemoryStore:
    """The MemoryStore port on a client of its own."""
    return CosmosMemoryStore(account(url, key=key), "memory")


def store(url: str, *, key: str = KEY, database: str = DATABASE) -> CosmosStore:
    """The Store port on a client of its own."""
    return CosmosStore(account(url, key=key, database=database), "documents")

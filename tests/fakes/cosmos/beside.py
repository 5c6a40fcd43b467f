"""What the hosts of a test stand on, as `--store` chose it: beside them, so it outlives every kill."""

from __future__ import annotations

import asyncio
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tests.fakes.cosmos.own_database import Database

ROOT = Path(__file__).resolve().parents[3]
STARTED = 60.0
LAG_SECONDS = 0.5
"""How late others' writes are seen with `--store lagging`."""
MODULES = ("azure.cosmos.aio", "shared.storage.cosmos", "shared.storage.cosmos_saver")
"""What a host on Cosmos DB loads."""


class Kind(StrEnum):
    """What `--store` chooses from."""

    SQLITE = "sqlite"
    COSMOS = "cosmos"
    """Our front, in a process of its own."""
    LAGGING = "lagging"
    """The same; each client sees late what the others wrote."""
    SERVICE = "service"
    """A database of its own on the account of COSMOS_ENDPOINT, for each data folder."""


_chosen = Kind.SQLITE
_databases: dict[Path, Database] = {}


def choose(store: str) -> None:
    """Which store the hosts of this test run work on."""
    global _chosen
    _chosen = Kind(store)


def chosen() -> Kind:
    """Which store the hosts of this test run work on."""
    return _chosen


def database(folder: Path) -> Database | None:
    """Where the store of a data folder is; None where it is a file."""
    return _databases.get(folder)


class Beside:
    """The store that was chosen, for one data folder. With SQLite there is nothing to run."""

    def __init__(self) -> None:
        self.settings: dict[str, str] = {}
        self.others: list[dict[str, str]] = []
        """The settings of further clients, which have ports of their own."""
        self._process: asyncio.subprocess.Process | None = None
        self._made: Database | None = None

    @classmethod
    async def start(cls, folder: Path, *, clients: int = 1, lag: float = 0.0) -> Self:
        """Start what the hosts need. With a lag, each client sees the others' writes so many seconds late."""
        made = cls()
        match _chosen:
            case Kind.COSMOS | Kind.LAGGING:
                await made._front(folder, clients, lag)
            case Kind.SERVICE:
                await made._database(folder)
        return made

    def of_another_client(self) -> dict[str, str]:
        """The settings of one more client, for a process of its own; of the first one where there are no more."""
        return self.others.pop() if self.others else self.settings

    async def _front(self, folder: Path, clients: int, lag: float) -> None:
        from tests.fakes.cosmos.own_database import Database

        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.fakes.cosmos.front", str(folder), *["0"] * clients, "--lag", str(lag)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout
        async with asyncio.timeout(STARTED):
            urls = [(await self._process.stdout.readline()).decode().strip() for _ in range(clients)]
        assert all(urls), "the front did not start"
        _databases[folder] = Database(urls[0])
        late = {"PRAXOS_COSMOS_LAG_SECONDS": str(lag)}
        self.settings, *self.others = [{**Database(url).settings, **late} for url in urls]

    async def _database(self, folder: Path) -> None:
        from tests.fakes import cosmos
        from tests.fakes.cosmos import own_database

        service = cosmos.service()
        self._made = _databases[folder] = await own_database.make(service.url, key=service.key)
        self.settings = dict(self._made.settings)

    async def stop(self) -> None:
        """End it."""
        if self._process and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            await self._process.wait()
        if self._made:
            from tests.fakes.cosmos import own_database

            await own_database.drop(self._made)
            self._made = None

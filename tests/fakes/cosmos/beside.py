"""The front as a process beside the hosts of a test: chosen with `--store cosmos`, it outlives every kill."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Self

from tests.fakes.cosmos.front import KEY

ROOT = Path(__file__).resolve().parents[3]
STARTED = 60.0
LAG_SECONDS = 0.5
"""How late others' writes are seen with `--store lagging`."""
MODULES = ("azure.cosmos.aio", "shared.storage.cosmos", "shared.storage.cosmos_saver")
"""What a host on Cosmos DB loads."""

_chosen = "sqlite"
_fronts: dict[Path, str] = {}


def choose(store: str) -> None:
    """Which store the hosts of this test run work on."""
    global _chosen
    _chosen = store


def chosen() -> str:
    """Which store the hosts of this test run work on."""
    return _chosen


def address(folder: Path) -> str:
    """Where the front of a data folder is; empty where its store is a file."""
    return _fronts.get(folder, "")


class Beside:
    """The store that was chosen, for one data folder. With SQLite there is nothing to run."""

    def __init__(self) -> None:
        self.settings: dict[str, str] = {}
        self.others: list[dict[str, str]] = []
        """The settings of further clients, which have ports of their own."""
        self._process: asyncio.subprocess.Process | None = None

    @classmethod
    async def start(cls, folder: Path, *, clients: int = 1, lag: float = 0.0) -> Self:
        """Start what the hosts need. With a lag, each client sees the others' writes so many seconds late."""
        made = cls()
        if _chosen != "sqlite":
            await made._front(folder, clients, lag)
        return made

    def of_another_client(self) -> dict[str, str]:
        """The settings of one more client, for a process of its own; of the first one where there are no more."""
        return self.others.pop() if self.others else self.settings

    async def _front(self, folder: Path, clients: int, lag: float) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.fakes.cosmos.front", str(folder), *["0"] * clients, "--lag", str(lag)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout
        async with asyncio.timeout(STARTED):
            urls = [(await self._process.stdout.readline()).decode().strip() for _ in range(clients)]
        assert all(urls), "the front did not start"
        _fronts[folder] = urls[0]
        common = {"PRAXOS_STORE": "cosmos", "PRAXOS_COSMOS_KEY": KEY, "PRAXOS_COSMOS_LAG_SECONDS": str(lag)}
        self.settings, *self.others = [{**common, "PRAXOS_COSMOS_ENDPOINT": url} for url in urls]

    async def stop(self) -> None:
        """End it."""
        if self._process and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            await self._process.wait()

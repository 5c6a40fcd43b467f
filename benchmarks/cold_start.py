"""From starting a process to its first webhook answered with the event committed, next to a bare Functions app."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import aiohttp

from benchmarks import praxos, telegram
from benchmarks.processes import LOOPBACK, environment, folder, free_port, python, spawn, stop
from benchmarks.report import Figure, at_most
from shared.topology import INBOUND, QUEUES
from tests.fakes.artemis import Artemis, missing

MORE_ROUNDS = 2
"""A start takes no time, so it is measured in two rounds more than the rest."""
KNOCK_SECONDS = 0.002
PATIENCE_SECONDS = 60.0


async def measure(rounds: int) -> list[Figure]:
    """Start each in turns, in a new folder every time."""
    ours: list[float] = []
    bare: list[float] = []
    for measured in range(-1, rounds + MORE_ROUNDS):
        our_time, bare_time = await _start_praxos(), await _start_bare()
        if measured >= 0:  # the first start leaves compiled modules and a warm file cache
            ours.append(our_time * 1000)
            bare.append(bare_time * 1000)
    return [
        Figure(
            name="a fresh process to its first webhook, committed",
            unit="ms",
            ours=tuple(ours),
            peer=tuple(bare),
            peer_name="bare Functions app",
            target=at_most(1.3),
        )
    ]


async def with_azure(rounds: int) -> list[Figure]:
    """The same with Azure's adapters: the event is committed when the AMQP server has it. None where there is no Java."""
    if why := missing():
        print(f"  not measured: {why}")
        return []
    artemis = await asyncio.to_thread(Artemis, list(QUEUES))
    try:
        times = [await _start_azure(artemis) for _ in range(1 + rounds + MORE_ROUNDS)]
    finally:
        artemis.stop()
    ours, bare = zip(*times[1:], strict=True)
    return [
        Figure(
            name="a fresh process on Azure's adapters to its first webhook, sent",
            unit="ms",
            ours=tuple(one * 1000 for one in ours),
            peer=tuple(one * 1000 for one in bare),
            peer_name="bare app with both SDKs",
            target=at_most(1.3),
        )
    ]


async def _start_azure(artemis: Artemis) -> tuple[float, float]:
    """Ours, and the bare one's."""
    artemis.forget()
    port, url = free_port(), f"http://{LOOPBACK}:"
    async with folder() as home:
        ours = await _first_answer(
            python("-m", "benchmarks.azure_functions", str(port)),
            env={
                **praxos.settings(home=home, port=port, bot_api=f"{url}9"),
                "PRAXOS_QUEUE": "servicebus",
                "PRAXOS_STORE": "cosmos",
                "PRAXOS_COSMOS_ENDPOINT": f"{url}9",
                "ServiceBusConnection": artemis.connection_string,
            },
            url=f"{url}{port}/api/webhooks/telegram",
            committed=lambda: len(artemis.transfers(INBOUND)),
        )
    artemis.forget()
    port = free_port()
    bare = await _first_answer(
        python("-m", "benchmarks.bare.service_bus", artemis.connection_string, INBOUND, str(port)),
        env=environment(),
        url=f"{url}{port}/api/webhook",
        committed=lambda: len(artemis.transfers(INBOUND)),
    )
    return ours, bare


async def _start_praxos() -> float:
    async with folder() as home:
        port = free_port()
        return await _first_answer(
            praxos.command(""),
            env=praxos.settings(home=home, port=port, bot_api=f"http://{LOOPBACK}:9"),
            url=f"http://{LOOPBACK}:{port}/api/webhooks/telegram",
            committed=lambda: _count(home / "queues.db", "seen"),
        )


async def _start_bare() -> float:
    async with folder() as home:
        port, database = free_port(), home / "bare.db"
        return await _first_answer(
            python("-m", "benchmarks.bare.functions", str(database), str(port)),
            env=environment(),
            url=f"http://{LOOPBACK}:{port}/api/webhook",
            committed=lambda: _count(database, "events"),
        )


async def _first_answer(
    command: Sequence[str], *, env: Mapping[str, str], url: str, committed: Callable[[], int]
) -> float:
    async with aiohttp.ClientSession(headers=telegram.HEADERS) as http:
        body = telegram.update(0, "hello")
        begun = time.perf_counter()
        process = await spawn(command, env=env)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await _knock(http, url, body)
            taken = time.perf_counter() - begun
            if committed() != 1:
                raise RuntimeError(f"{command} answered, but the event is not committed")
            return taken
        finally:
            await stop(process)


async def _knock(http: aiohttp.ClientSession, url: str, body: bytes) -> None:
    while True:
        try:
            async with http.post(url, data=body) as response:
                if response.status != 200:
                    raise RuntimeError(f"{url} answered {response.status}")
                return
        except aiohttp.ClientConnectorError:
            await asyncio.sleep(KNOCK_SECONDS)


def _count(database: Path, table: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return count

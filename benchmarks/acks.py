"""Webhooks acknowledged per second by the process that serves HTTP, next to a handler that does nothing."""

from __future__ import annotations

import sqlite3
from contextlib import AsyncExitStack, closing
from pathlib import Path

import aiohttp

from benchmarks import praxos, telegram
from benchmarks.driver import talk
from benchmarks.processes import LOOPBACK, ROOT, environment, folder, free_port, python, running
from benchmarks.report import Figure, at_least

SENDERS = 32
EACH = 60


class Sender:
    """Posts updates to one address, each sender over a connection that it keeps."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=telegram.HEADERS)

    async def say(self, conversation: int, text: str) -> None:
        """Post one update and have it acknowledged."""
        async with self._http.post(self._url, data=telegram.update(conversation, text)) as response:
            await response.read()
            if response.status != 200:
                raise RuntimeError(f"{self._url} answered {response.status}")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


async def measure(rounds: int) -> list[Figure]:
    """The same load on both, in turns."""
    ours: list[float] = []
    bare: list[float] = []
    async with AsyncExitStack() as stack:
        deployed = await stack.enter_async_context(praxos.deployed(roles=["http"]))
        our_sender, bare_sender = Sender(deployed.webhook), Sender(await _bare_handler(stack))
        stack.push_async_callback(our_sender.close)
        stack.push_async_callback(bare_sender.close)
        for measured in range(-1, rounds):
            our_load = await talk(our_sender.say, conversations=range(SENDERS), turns=EACH)
            _all_committed(deployed.home, (measured + 2) * SENDERS * EACH)
            bare_load = await talk(bare_sender.say, conversations=range(SENDERS), turns=EACH)
            if measured >= 0:  # the first round warms both up
                ours.append(our_load.per_second)
                bare.append(bare_load.per_second)
    return [
        Figure(
            name="webhooks acknowledged, committed (role http)",
            unit="/s",
            ours=tuple(ours),
            peer=tuple(bare),
            peer_name="bare aiohttp handler",
            target=at_least(0.4),
        )
    ]


async def _bare_handler(stack: AsyncExitStack) -> str:
    home = await stack.enter_async_context(folder())
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    command = python("-m", "benchmarks.bare.handler", str(port))
    await stack.enter_async_context(
        running(command, env=environment(), cwd=ROOT, log=home / "log.txt", ready=f"{url}/")
    )
    return f"{url}/api/webhook"


def _all_committed(home: Path, expected: int) -> None:
    with closing(sqlite3.connect(home / "queues.db")) as connection:
        found = connection.execute("SELECT count(*) FROM messages").fetchone()[0]
    if found != expected:
        raise RuntimeError(f"{expected} webhooks were acknowledged, and {found} are in the queue")

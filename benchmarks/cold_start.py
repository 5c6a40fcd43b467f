"""From a fresh process to its first webhook answered with the event committed, next to a bare Functions app."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

from benchmarks import telegram
from benchmarks.praxos import command, settings
from benchmarks.processes import LOOPBACK, environment, folder, free_port, python, spawn, stop
from benchmarks.report import Row, middle

ROUNDS = 9
PATIENCE = 30.0


async def first_answer(process: Sequence[str], *, env: Mapping[str, str], port: int) -> float:
    """Start a process and post until it answers; return the seconds that took."""
    url = f"http://{LOOPBACK}:{port}/api/webhooks/telegram"
    body = telegram.update(0, "hello")
    begun = time.perf_counter()
    started = await spawn(process, env=env)
    try:
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession(headers=telegram.HEADERS) as http:
            while True:
                try:
                    async with http.post(url, data=body) as response:
                        if response.status == 200:
                            return time.perf_counter() - begun
                        raise RuntimeError(f"the first webhook was answered with {response.status}")
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.002)
    finally:
        await stop(started)


async def ours(home: Path) -> float:
    """The process that Azure would start for HTTP."""
    port = free_port()
    env = settings(home=home, port=port, bot_api=f"http://{LOOPBACK}:1")
    return await first_answer(command("http"), env=env, port=port)


async def bare(home: Path) -> float:
    """The bare app."""
    port = free_port()
    process = python("-m", "benchmarks.bare.functions", str(home / "bare.db"), str(port))
    return await first_answer(process, env=environment(), port=port)


async def measure() -> list[Row]:
    """Alternate the two, each on a new folder."""
    mine: list[float] = []
    theirs: list[float] = []
    for n in range(ROUNDS + 1):
        async with folder() as home:
            pair = await ours(home), await bare(home)
        if n:  # the first round only fills the disk's cache
            mine.append(pair[0])
            theirs.append(pair[1])
    ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
    peer = middle(theirs, "ms (bare Functions app)", scale=1e3)
    return [Row("fresh process to its first webhook", middle(mine, "ms", scale=1e3), peer, ratios, target=1.3)]

"""Webhooks acknowledged per second, each only when its event is committed, next to a handler that keeps nothing."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import aiohttp

from benchmarks import telegram
from benchmarks.praxos import command, settings
from benchmarks.processes import LOOPBACK, ROOT, environment, folder, free_port, python, running
from benchmarks.report import Row, middle

POSTS = 3000
AT_A_TIME = 40
CONVERSATIONS = 20
ROUNDS = 5


async def per_second(http: aiohttp.ClientSession, port: int) -> float:
    """Post many updates and return how many were acknowledged per second."""
    url = f"http://{LOOPBACK}:{port}/api/webhooks/telegram"
    bodies = iter([telegram.update(n % CONVERSATIONS, f"message {n}") for n in range(POSTS)])

    async def post() -> None:
        for body in bodies:
            async with http.post(url, data=body) as response:
                if response.status != 200:
                    raise RuntimeError(f"answered {response.status}")

    begun = time.perf_counter()
    await asyncio.gather(*(post() for _ in range(AT_A_TIME)))
    return POSTS / (time.perf_counter() - begun)


async def measure() -> list[Row]:
    """Alternate a process of the scale group `http` with the bare handler."""
    ours: list[float] = []
    theirs: list[float] = []
    async with AsyncExitStack() as stack:
        home = await stack.enter_async_context(folder())
        mine, other = free_port(), free_port()
        env = settings(home=home, port=mine, bot_api=f"http://{LOOPBACK}:1")
        await stack.enter_async_context(running(command("http"), env=env, cwd=ROOT, log=home / "log.txt"))
        bare = python("-m", "benchmarks.bare.handler", str(other))
        ready = f"http://{LOOPBACK}:{other}/api/webhooks/telegram"
        await stack.enter_async_context(
            running(bare, env=environment(), cwd=ROOT, log=home / "bare.txt", ready=ready, ready_status=405)
        )
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=telegram.HEADERS)
        )
        for n in range(ROUNDS + 1):
            pair = await per_second(http, mine), await per_second(http, other)
            if n:
                ours.append(pair[0])
                theirs.append(pair[1])
    ratios = [one / two for one, two in zip(ours, theirs, strict=True)]
    peer = middle(theirs, "/s (bare aiohttp)")
    return [
        Row("webhooks acknowledged per second (role http)", middle(ours, "/s"), peer, ratios, target=0.4, at_least=True)
    ]

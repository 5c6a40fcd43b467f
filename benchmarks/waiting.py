"""A thousand runs that wait for an answer: what they cost, and how soon an answer is acted on."""

from __future__ import annotations

import asyncio
import time

from benchmarks import praxos
from benchmarks.processes import cpu_seconds, resident_bytes
from benchmarks.report import Figure, at_most

RUNS = 1_000
WARM = 200
AT_ONCE = 20
WATCHED_SECONDS = 60.0
ANSWERED = 40
ASKS = "forget everything"
ASKED = "May I forget everything"
DONE = "Everything is forgotten"
SETTLE_SECONDS = 3.0


async def measure(rounds: int) -> list[Figure]:
    """One host, once: memory, processor and latency are measured against what is allowed."""
    del rounds  # a minute of doing nothing says enough
    async with praxos.deployed() as deployed:
        process = deployed.processes[0]
        # Each conversation has had a turn before, and everything that asking needs is loaded: what is counted is the waiting.
        await _say_everywhere(deployed, range(RUNS + WARM), "hello", containing="Hello")
        await _say_everywhere(deployed, range(RUNS, RUNS + WARM), ASKS, containing=ASKED)
        before = resident_bytes(process)
        await _say_everywhere(deployed, range(RUNS), ASKS, containing=ASKED)
        await asyncio.sleep(SETTLE_SECONDS)
        each = max(0, resident_bytes(process) - before) / RUNS
        used = cpu_seconds(process)
        await asyncio.sleep(WATCHED_SECONDS)
        share = (cpu_seconds(process) - used) / WATCHED_SECONDS
        times = sorted([await _answer(deployed, conversation) for conversation in range(ANSWERED)])
    return [
        _allowed(f"{RUNS:,} runs waiting: processor", "% of a core", share * 100, 1),
        _allowed(f"{RUNS:,} runs waiting: memory each", "KB", each / 1000, 20),
        _allowed("an answer is acted on, p95", "ms", times[int(len(times) * 0.95)] * 1000, 1000),
    ]


async def _say_everywhere(deployed: praxos.Praxos, conversations: range, text: str, *, containing: str) -> None:
    for first in range(0, len(conversations), AT_ONCE):
        now = conversations[first : first + AT_ONCE]
        await asyncio.gather(*(deployed.until(one, text, containing=containing) for one in now))


async def _answer(deployed: praxos.Praxos, conversation: int) -> float:
    begun = time.perf_counter()
    await deployed.until(conversation, "yes", containing=DONE)
    return time.perf_counter() - begun


def _allowed(name: str, unit: str, value: float, most: float) -> Figure:
    return Figure(name=name, unit=unit, ours=(value,), peer=(most,), peer_name="allowed", target=at_most(1))

"""From a webhook to the delivered reply, twenty conversations at a time, next to `langgraph dev`."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import peer, praxos
from benchmarks.driver import Load, Say, talk
from benchmarks.report import Row, middle

CONVERSATIONS = 20
TURNS = 10
ROUNDS = 5
JOBS = (5, 10, 20)
"""How many jobs at a time the peer is tried with; its best one counts."""
TWO_FOR_TURNS = ("", "turns")
"""The whole host, and a second process that only takes turns."""


async def round_of(say: Say) -> Load:
    """One round of talking."""
    return await talk(say, conversations=range(CONVERSATIONS), turns=TURNS)


async def best_jobs() -> int:
    """The number of jobs with which the peer is fastest here."""
    reached: dict[int, float] = {}
    for jobs in JOBS:
        async with peer.deployed(jobs=jobs) as server:
            await round_of(server.say)
            reached[jobs] = (await round_of(server.say)).per_second
    return max(reached, key=lambda jobs: reached[jobs])


async def compare(name: str, *, roles: Sequence[str], jobs: int, faster: float, quicker: float | None) -> list[Row]:
    """Alternate rounds of ours and the peer's."""
    ours: list[Load] = []
    theirs: list[Load] = []
    async with praxos.deployed(roles=roles) as deployment, peer.deployed(jobs=jobs) as server:
        await round_of(deployment.say)
        await round_of(server.say)
        for _ in range(ROUNDS):
            ours.append(await round_of(deployment.say))
            theirs.append(await round_of(server.say))
    p95 = [(mine.percentile(95), other.percentile(95)) for mine, other in zip(ours, theirs, strict=True)]
    return [
        Row(
            f"messages per second, {name}",
            middle([load.per_second for load in ours], "/s"),
            middle([load.per_second for load in theirs], f"/s ({jobs} jobs)"),
            [mine.per_second / other.per_second for mine, other in zip(ours, theirs, strict=True)],
            target=faster,
            at_least=True,
        ),
        Row(
            f"95th percentile, {name}",
            middle([mine for mine, _ in p95], "ms", scale=1e3),
            middle([other for _, other in p95], "ms", scale=1e3),
            [mine / other for mine, other in p95],
            target=quicker,
        ),
    ]


async def measure() -> list[Row]:
    """One process, then two for turns, then a tool in every turn."""
    jobs = await best_jobs()
    rows = await compare("one process", roles=praxos.WHOLE, jobs=jobs, faster=3, quicker=1 / 6)
    rows += await compare("two processes for turns", roles=TWO_FOR_TURNS, jobs=jobs, faster=4, quicker=None)
    return [*rows, await tools()]


async def tools() -> Row:
    """Every turn calls one tool, next to turns without."""
    plain: list[float] = []
    calling: list[float] = []
    async with praxos.deployed() as deployment:

        async def calculate(conversation: int, _: str) -> None:
            await deployment.ask(conversation, "what is 12 * 37?", expected="444")

        await round_of(calculate)
        for _ in range(ROUNDS):
            plain.append((await round_of(deployment.say)).per_second)
            calling.append((await round_of(calculate)).per_second)
    ratios = [mine / other for mine, other in zip(calling, plain, strict=True)]
    return Row("messages per second, a tool in every turn", middle(calling, "/s"), middle(plain, "/s without"), ratios)

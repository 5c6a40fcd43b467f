"""Messages per second, and the time from a webhook to its delivered reply: twenty conversations of ten turns each."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import partial

from benchmarks import peer, praxos, receiver
from benchmarks.driver import Load, Say, talk
from benchmarks.report import Figure, Target, at_least, at_most

CONVERSATIONS = 20
TURNS = 10
JOBS = (5, 10, 20)
"""How many jobs at a time the peer is tried with; it is measured with the number at which it does most."""
PEER = "langgraph dev"
TWO_FOR_TURNS = ("", "turns")
"""The whole host, and a second process that takes turns."""
SUM = "what is 12*7"
ENOUGH_WRITES = 100
"""Messages a second with a write in each that are enough, or a third of those without, whichever is less."""


async def one_process(rounds: int) -> list[Figure]:
    """Everything in one process."""
    ours, theirs = await _alternate(rounds, roles=praxos.WHOLE)
    return _figures("one process", ours, theirs, throughput=at_least(3), p95=at_most(1 / 6))


async def two_processes(rounds: int) -> list[Figure]:
    """Two processes take turns."""
    ours, theirs = await _alternate(rounds, roles=TWO_FOR_TURNS)
    return _figures("two processes for turns", ours, theirs, throughput=at_least(4), p95=None)


async def with_tool(rounds: int) -> list[Figure]:
    """Every turn calls a tool, and the peer still none: for the record."""
    ours, theirs = await _alternate(rounds, roles=praxos.WHOLE, tool=True)
    return _figures("a tool call in every turn", ours, theirs, throughput=None, p95=None)


async def with_write(rounds: int) -> list[Figure]:
    """Every turn calls a tool that changes something outside, next to the same host's turns without a tool."""
    writes: list[float] = []
    plain: list[float] = []
    async with receiver.receiving() as hook, praxos.deployed(PRAXOS_WEBHOOKS=hook.url) as praxos_:
        post = partial(_post, praxos_, hook.url)
        for measured in range(-1, rounds):
            with_one, without = await _round(post), await _round(praxos_.say)
            if measured >= 0:  # the first round warms up
                writes.append(with_one.per_second)
                plain.append(without.per_second)
        if hook.taken != CONVERSATIONS * TURNS * (rounds + 1):
            raise RuntimeError(f"{hook.taken} writes arrived")
    enough = min(1 / 3, ENOUGH_WRITES / statistics.median(plain))
    return [
        Figure(
            name="messages, one write in every turn",
            unit="/s",
            ours=tuple(writes),
            peer=tuple(plain),
            peer_name="without a tool",
            target=at_least(enough),
        )
    ]


async def _post(praxos_: praxos.Praxos, url: str, conversation: int, text: str) -> None:
    await praxos_.ask(conversation, f'post "{text}" to {url}', expected="osted")


def _figures(
    name: str, ours: Sequence[Load], theirs: Sequence[Load], *, throughput: Target | None, p95: Target | None
) -> list[Figure]:
    return [
        Figure(
            name=f"messages, {name}",
            unit="/s",
            ours=tuple(load.per_second for load in ours),
            peer=tuple(load.per_second for load in theirs),
            peer_name=PEER,
            target=throughput,
        ),
        Figure(
            name=f"p95, {name}",
            unit="ms",
            ours=tuple(load.percentile(95) * 1000 for load in ours),
            peer=tuple(load.percentile(95) * 1000 for load in theirs),
            peer_name=PEER,
            target=p95,
        ),
    ]


async def _alternate(rounds: int, *, roles: Sequence[str], tool: bool = False) -> tuple[list[Load], list[Load]]:
    jobs = await _best_jobs()
    ours: list[Load] = []
    theirs: list[Load] = []
    async with praxos.deployed(roles=roles) as praxos_, peer.deployed(jobs=jobs) as peer_:
        ask = partial(_ask, praxos_) if tool else praxos_.say
        for measured in range(-1, rounds):
            our_load, their_load = await _round(ask), await _round(peer_.say)
            if measured >= 0:  # the first round warms both up
                ours.append(our_load)
                theirs.append(their_load)
    return ours, theirs


async def _ask(praxos_: praxos.Praxos, conversation: int, _: str) -> None:
    await praxos_.ask(conversation, SUM, expected="84")


async def _round(say: Say) -> Load:
    return await talk(say, conversations=range(CONVERSATIONS), turns=TURNS)


_best: list[int] = []


async def _best_jobs() -> int:
    """The peer's best number of jobs on this machine, found once in a run."""
    if not _best:
        reached: dict[int, float] = {}
        for jobs in JOBS:
            async with peer.deployed(jobs=jobs) as peer_:
                await talk(peer_.say, conversations=range(CONVERSATIONS), turns=1)
                reached[jobs] = (await _round(peer_.say)).per_second
        _best.append(max(reached, key=lambda jobs: reached[jobs]))
        print(f"  the peer does most with {_best[0]} jobs at a time")
    return _best[0]

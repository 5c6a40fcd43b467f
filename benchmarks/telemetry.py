"""What telemetry costs: a host with its spans kept in the data folder, next to the same one that records nothing."""

from __future__ import annotations

from benchmarks import praxos
from benchmarks.driver import talk
from benchmarks.report import Figure
from benchmarks.throughput import CONVERSATIONS, TURNS


async def measure(rounds: int) -> list[Figure]:
    """Two hosts in turns, for the record."""
    on: list[float] = []
    off: list[float] = []
    async with praxos.deployed(PRAXOS_TELEMETRY="local") as recording, praxos.deployed() as silent:
        for measured in range(-1, rounds):
            with_spans, without = await _round(recording), await _round(silent)
            if measured >= 0:  # the first round warms up
                on.append(with_spans)
                off.append(without)
    return [
        Figure(
            name="messages with their spans kept",
            unit="/s",
            ours=tuple(on),
            peer=tuple(off),
            peer_name="without telemetry",
            target=None,
        )
    ]


async def _round(host: praxos.Praxos) -> float:
    return (await talk(host.say, conversations=range(CONVERSATIONS), turns=TURNS)).per_second

"""One conversation alone: the time of a turn, next to the agent library's own time for it."""

from __future__ import annotations

from benchmarks import praxos
from benchmarks.driver import talk
from benchmarks.processes import environment, output, python
from benchmarks.report import Figure, at_most

TURNS = 100


async def measure(rounds: int) -> list[Figure]:
    """Half a turn's worth of rounds each, in turns."""
    ours: list[float] = []
    direct: list[float] = []
    command = python("-m", "benchmarks.direct", str(TURNS))
    async with praxos.deployed() as deployed:
        await talk(deployed.say, conversations=[0], turns=TURNS)
        for _ in range(rounds):
            direct.append(float(await output(command, env=environment())))
            load = await talk(deployed.say, conversations=[0], turns=TURNS)
            ours.append(load.percentile(50) * 1000)
    return [
        Figure(
            name="p50, one conversation alone",
            unit="ms",
            ours=tuple(ours),
            peer=tuple(direct),
            peer_name="create_agent called directly",
            target=at_most(6),
        )
    ]

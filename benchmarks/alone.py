"""One conversation alone: the time of a turn, next to the agent library's own time for it."""

from __future__ import annotations

from benchmarks import praxos
from benchmarks.driver import talk
from benchmarks.processes import environment, output, python
from benchmarks.report import Figure, at_most

TURNS = 100
PAUSE_SECONDS = 0.001
"""What is still recorded after a reply shall not count as the next message's time."""


async def measure(rounds: int) -> list[Figure]:
    """The same conversation on and on; the direct call in a fresh process each time."""
    ours: list[float] = []
    direct: list[float] = []
    command = python("-m", "benchmarks.direct", str(TURNS))
    async with praxos.deployed() as deployed:
        await talk(deployed.say, conversations=[0], turns=TURNS)
        for _ in range(rounds):
            direct.append(float(await output(command, env=environment())))
            load = await talk(deployed.say, conversations=[0], turns=TURNS, pause=PAUSE_SECONDS)
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

"""What grows: the cost of a turn with the length of its conversation, and memory with the number of messages."""

from __future__ import annotations

from benchmarks import praxos
from benchmarks.driver import talk
from benchmarks.processes import resident_bytes
from benchmarks.report import Figure, at_most

LONG = 10_000
SHORT = 10
PER_TURN = 2
"""The person's message and the reply."""
MEASURED_TURNS = 40
EACH_SHORT = 4
"""How many turns a short conversation is measured for before a new one takes its place."""
FEW, MANY = 1_000, 5_000
CONVERSATIONS = 20


async def turn_cost(rounds: int) -> list[Figure]:
    """Turns of a long conversation and of short ones, one at a time."""
    long: list[float] = []
    short: list[float] = []
    async with praxos.deployed() as deployed:
        await talk(deployed.say, conversations=[0], turns=LONG // PER_TURN)
        following = 1
        for _ in range(rounds):
            load = await talk(deployed.say, conversations=[0], turns=MEASURED_TURNS)
            long.append(load.percentile(50) * 1000)
            times: list[float] = []
            for conversation in range(following, following + MEASURED_TURNS // EACH_SHORT):
                await talk(deployed.say, conversations=[conversation], turns=SHORT // PER_TURN)
                times += (await talk(deployed.say, conversations=[conversation], turns=EACH_SHORT)).times
            following += MEASURED_TURNS // EACH_SHORT
            short.append(sorted(times)[len(times) // 2] * 1000)
    return [
        Figure(
            name=f"a turn after {LONG:,} messages",
            unit="ms",
            ours=tuple(long),
            peer=tuple(short),
            peer_name=f"after {SHORT}",
            target=at_most(1.2),
        )
    ]


async def memory(rounds: int) -> list[Figure]:
    """The resident memory of the whole host, once."""
    del rounds  # memory is no matter of chance
    async with praxos.deployed() as deployed:
        process = deployed.processes[0]
        conversations = range(CONVERSATIONS)
        await talk(deployed.say, conversations=conversations, turns=FEW // CONVERSATIONS)
        few = resident_bytes(process)
        await talk(deployed.say, conversations=conversations, turns=(MANY - FEW) // CONVERSATIONS)
        many = resident_bytes(process)
    return [
        Figure(
            name=f"memory after {MANY:,} messages",
            unit="MB",
            ours=(many / 1e6,),
            peer=(few / 1e6,),
            peer_name=f"after {FEW:,}",
            target=at_most(1.1),
        )
    ]

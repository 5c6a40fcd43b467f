"""The load: conversations side by side, in each the next message when the last one has its reply."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

Say = Callable[[int, str], Awaitable[None]]
"""Say a text in a conversation; return when its reply is there. Raises where the reply is not what it should be."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a round of talking came to. Times are in seconds."""

    seconds: float
    times: list[float]
    """From sending a message to having its reply, in ascending order."""

    @property
    def per_second(self) -> float:
        """Messages per second."""
        return len(self.times) / self.seconds

    def percentile(self, percent: float) -> float:
        """The time that so many percent of the messages did not exceed."""
        return self.times[min(len(self.times) - 1, int(len(self.times) * percent / 100))]


async def talk(say: Say, *, conversations: Iterable[int], turns: int, text: str = "", pause: float = 0.0) -> Load:
    """Say so many texts in every conversation. `pause`: seconds between a reply and the next message."""
    times: list[float] = []

    async def converse(conversation: int, offset: float) -> None:
        await asyncio.sleep(offset)
        for turn in range(turns):
            asked = time.perf_counter()
            await say(conversation, text or f"message {turn} of {conversation}")
            times.append(time.perf_counter() - asked)
            if pause:
                await asyncio.sleep(pause)

    numbers = list(conversations)
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for place, number in enumerate(numbers):
            group.create_task(converse(number, pause * place / len(numbers)))
    return Load(seconds=time.perf_counter() - begun, times=sorted(times))

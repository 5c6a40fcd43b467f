"""How much waits in the queues, as operators are shown it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from shared.messages import NotThere
from shared.ports import Queue, QueueDepth, QueueDepths


class Depth(BaseModel):
    """One queue. `at_least`: only so much was looked at. `oldest` is absent where none waits, or the broker tells none."""

    queue: str
    waiting: int
    counts: str
    """What is counted as waiting: messages, or sessions that have some."""
    at_least: bool
    oldest: datetime | None
    oldest_seconds: float | None
    scheduled: int
    dead_letters: int


class Depths(BaseModel):
    """All queues."""

    queues: list[Depth]


async def depths(queue: Queue, *, now: datetime) -> Depths:
    """Ask the broker. Raises QueueUnavailable, or NotThere where the adapter cannot tell."""
    if not isinstance(queue, QueueDepths):
        raise NotThere(f"{type(queue).__name__} does not tell how much waits")
    return Depths(queues=[_view(each, now) for each in await queue.depths()])


def _view(depth: QueueDepth, now: datetime) -> Depth:
    return Depth(
        queue=depth.queue,
        waiting=depth.waiting,
        counts="sessions" if depth.sessions else "messages",
        at_least=depth.at_least,
        oldest=depth.oldest,
        oldest_seconds=round(max(0.0, (now - depth.oldest).total_seconds()), 1) if depth.oldest else None,
        scheduled=depth.scheduled,
        dead_letters=depth.dead_letters,
    )


def sentence(depth: Depth) -> str:
    """The same in a line, for a terminal; empty where nothing waits."""
    parts = []
    if depth.waiting:
        since = f", the oldest for {depth.oldest_seconds:.0f} s" if depth.oldest_seconds is not None else ""
        what = "waiting" if depth.counts == "messages" else "conversations waiting"
        parts.append(f"{depth.waiting} {what}{since}")
    if depth.scheduled:
        parts.append(f"{depth.scheduled} scheduled")
    if depth.dead_letters:
        parts.append(f"{depth.dead_letters} given up by the broker")
    more = " (or more)" if parts and depth.at_least else ""
    return f"{depth.queue}: {', '.join(parts)}{more}" if parts else ""

"""Readiness: whether the parts that every message needs answer."""

from __future__ import annotations

from collections.abc import Callable

from shared.messages import PraxosError
from shared.ports import Examinable, Partition, Queue, Store


async def problems(*, store: Callable[[], Store], queue: Callable[[], Queue], tenant: str) -> list[str]:
    """What does not answer, by name; empty when everything does."""
    found = []
    try:
        await store().read(partition=Partition(tenant, "health"), id="health")
    except PraxosError as error:
        found.append(f"store: {error}")
    try:
        queues = queue()
        if isinstance(queues, Examinable):
            await queues.examine()
    except PraxosError as error:
        found.append(f"queue: {error}")
    return found

"""What operators are shown of the queues."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from shared.messages import NotThere
from shared.pipeline.queue_views import depths, sentence
from shared.ports import QueueDepth, QueueMessage
from shared.steps import Step

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Silent:
    """A queue whose broker tells nothing."""

    async def send(self, *, step: Step, queue: str, messages: Sequence[QueueMessage]) -> None: ...

    async def close(self) -> None: ...


class Telling(Silent):
    def __init__(self, *found: QueueDepth) -> None:
        self._found = found

    async def depths(self) -> Sequence[QueueDepth]:
        return self._found


async def told(**fields: object) -> str:
    whole = {"queue": "q", "waiting": 0, "oldest": None, "scheduled": 0, "dead_letters": 0, **fields}
    [depth] = (await depths(Telling(QueueDepth(**whole)), now=NOW)).queues  # type: ignore[arg-type]  # each test's own
    return sentence(depth)


async def test_a_queue_is_told_in_a_line() -> None:
    assert await told() == ""
    assert await told(waiting=3, oldest=NOW - timedelta(seconds=90)) == "q: 3 waiting, the oldest for 90 s"
    assert await told(waiting=100, sessions=True, at_least=True) == "q: 100 conversations waiting (or more)"
    assert await told(scheduled=2, dead_letters=1) == "q: 2 scheduled, 1 given up by the broker"


async def test_a_clock_that_is_behind_makes_no_negative_age() -> None:
    assert await told(waiting=1, oldest=NOW + timedelta(seconds=3)) == "q: 1 waiting, the oldest for 0 s"


async def test_a_broker_that_does_not_tell_is_named() -> None:
    with pytest.raises(NotThere, match="Silent does not tell"):
        await depths(Silent(), now=NOW)

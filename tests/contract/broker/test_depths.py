"""What waits in the queues, for operators, over every implementation."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.ports import Broker, QueueDepths, QueueMessage
from shared.topology import INBOUND, QUEUES, TURNS
from tests.contract.broker.conftest import STEP, receive_one
from tests.fakes.clock import START, ManualClock


async def depth(broker: Broker, queue: str) -> tuple[int, datetime | None, int, int]:
    assert isinstance(broker, QueueDepths)
    [found] = [each for each in await broker.depths() if each.queue == queue]
    assert not found.at_least
    return found.waiting, found.oldest, found.scheduled, found.dead_letters


async def test_they_tell_what_waits_and_since_when(broker: Broker, clock: ManualClock) -> None:
    assert isinstance(broker, QueueDepths)
    assert [each.queue for each in await broker.depths()] == list(QUEUES)
    assert await depth(broker, TURNS) == (0, None, 0, 0)
    for name, session in (("a", "s"), ("b", "s"), ("c", "t")):
        await broker.send(step=STEP, queue=INBOUND, messages=[QueueMessage(body=b"", id=name, session=session)])
        clock.pass_(seconds=10)
    assert await depth(broker, INBOUND) == (3, START, 0, 0)
    assert await depth(broker, TURNS) == (0, None, 0, 0)


async def test_what_is_scheduled_waits_from_when_it_is_due_until_it_is_settled(
    broker: Broker, clock: ManualClock
) -> None:
    due_at = START + timedelta(seconds=60)
    await broker.send(step=STEP, queue=TURNS, messages=[QueueMessage(body=b"", id="later", enqueue_at=due_at)])
    assert await depth(broker, TURNS) == (0, None, 1, 0)
    clock.pass_(seconds=100)
    assert await depth(broker, TURNS) == (1, due_at, 0, 0), "due, though nobody has looked"
    due = await receive_one(broker)
    assert await depth(broker, TURNS) == (1, due_at, 0, 0), "what is being handled counts"
    await broker.dead_letter(message=due, reason="r", description="d")
    assert await depth(broker, TURNS) == (0, None, 0, 1)

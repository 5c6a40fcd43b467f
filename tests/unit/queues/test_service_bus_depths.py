"""How much waits at Service Bus. On the tests' server, what answers the peeks is ours: Artemis knows no such request."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from shared import ids
from shared.messages import QueueUnavailable
from shared.ports import QueueDepth, QueueMessage
from shared.queues.service_bus import ServiceBusQueue
from shared.queues.service_bus_depths import PEEKED
from shared.steps import Step
from shared.topology import BACKGROUND, DEAD_LETTER_SUFFIX, INBOUND, OUTBOUND, QUEUES, TURNS
from tests.fakes.artemis import Artemis
from tests.unit.queues.conftest import settings_of


@pytest.fixture
async def queue(artemis: Artemis) -> AsyncIterator[ServiceBusQueue]:
    queue = ServiceBusQueue(settings_of(artemis.connection_string))
    yield queue
    await queue.close()


async def test_what_waits_is_told(artemis: Artemis, queue: ServiceBusQueue) -> None:
    before = time.time()
    await send(queue, TURNS, 3)
    await send(queue, TURNS, 2, enqueue_at=datetime.now(UTC) + timedelta(hours=1))
    for session in ("a", "b", "a"):
        await send(queue, INBOUND, 1, session=session)
    await send(queue, OUTBOUND, PEEKED + 1)
    async with (
        ServiceBusClient.from_connection_string(artemis.connection_string) as client,
        client.get_queue_sender(BACKGROUND + DEAD_LETTER_SUFFIX) as sender,
    ):
        await sender.send_messages(ServiceBusMessage(b""))

    found = {depth.queue: depth for depth in await queue.depths()}

    assert list(found) == list(QUEUES)
    turns = found[TURNS]
    assert (turns.waiting, turns.scheduled, turns.dead_letters, turns.at_least) == (3, 2, 0, False)
    assert turns.oldest is not None
    assert before - 1 < turns.oldest.timestamp() < time.time() + 1
    assert found[INBOUND] == QueueDepth(
        queue=INBOUND, waiting=2, oldest=None, scheduled=0, dead_letters=0, sessions=True
    )
    assert (found[OUTBOUND].waiting, found[OUTBOUND].at_least) == (PEEKED, True)
    assert (found[BACKGROUND].waiting, found[BACKGROUND].dead_letters) == (0, 1)


async def test_looking_takes_nothing(artemis: Artemis, queue: ServiceBusQueue) -> None:
    await send(queue, TURNS, 1)
    looks = [[depth for depth in await queue.depths() if depth.queue == TURNS] for _ in range(2)]
    assert looks[0] == looks[1]


async def test_a_namespace_that_is_away_is_told(artemis: Artemis) -> None:
    queue = ServiceBusQueue(settings_of(artemis.connection_string.replace(str(artemis.port), "1")))
    with pytest.raises(QueueUnavailable, match="role Azure Service Bus Data Receiver"):
        await queue.depths()
    await queue.close()


async def send(queue: ServiceBusQueue, name: str, count: int, **more: object) -> None:
    fields = {"body": b"x", **more}
    messages = [QueueMessage(id=ids.fresh(), **fields) for _ in range(count)]  # type: ignore[arg-type]  # each test's own
    await queue.send(step=Step.ENQUEUE, queue=name, messages=messages)

"""The broker under test, in every implementation, and how a test talks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from shared.ports import Broker, QueueMessage, Received
from shared.queues.redis import RedisBroker
from shared.queues.redis_settings import RedisSettings
from shared.queues.sqlite import FILE, SqliteBroker
from shared.settings import Sync
from shared.steps import Step
from shared.topology import DEAD_LETTER_SUFFIX, INBOUND, QUEUES, TURNS
from tests.fakes.clock import ManualClock
from tests.redis_process import RedisProcess

STEP = Step.ENQUEUE
SETTLE = Step.SETTLE_TURNS
LOCK = QUEUES[TURNS].lock_duration.total_seconds()
WINDOW = QUEUES[INBOUND].duplicate_detection
DEAD_TURNS = TURNS + DEAD_LETTER_SUFFIX
DEAD_INBOUND = INBOUND + DEAD_LETTER_SUFFIX
LONG = 30.0
"""A time-out that a test which passes never waits for."""

Open = Callable[[], Broker]


def sqlite(request: pytest.FixtureRequest, clock: ManualClock) -> Broker:
    path: Path = request.getfixturevalue("tmp_path")
    return SqliteBroker(path=path / FILE, sync=Sync.NORMAL, clock=clock)


def redis(request: pytest.FixtureRequest, clock: ManualClock) -> Broker:
    return redis_broker(request, clock, request.getfixturevalue("redis_server"), RedisSettings())


def redis_cluster(request: pytest.FixtureRequest, clock: ManualClock) -> Broker:
    return redis_broker(request, clock, request.getfixturevalue("redis_cluster"), RedisSettings(cluster=True))


def redis_broker(
    request: pytest.FixtureRequest, clock: ManualClock, server: RedisProcess, settings: RedisSettings
) -> Broker:
    path: Path = request.getfixturevalue("tmp_path")
    prefix = f"{path.parent.name}/{path.name}"  # of this test alone
    return RedisBroker(
        address=server.address, prefix=prefix, sync=Sync.NORMAL, settings=settings, clock=clock, server_time=False
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=[sqlite, redis, redis_cluster], ids=lambda made: made.__name__)
async def another(request: pytest.FixtureRequest, clock: ManualClock) -> AsyncIterator[Open]:
    """Opens one more client of the same queues, as another process would."""
    opened: list[Broker] = []

    def open_one() -> Broker:
        opened.append(request.param(request, clock))
        return opened[-1]

    yield open_one
    for broker in opened:
        await broker.close()


@pytest.fixture
def broker(another: Open) -> Broker:
    return another()


async def send(broker: Broker, queue: str, *texts: str, session: str = "") -> None:
    for text in texts:
        message = QueueMessage(body=text.encode(), id=f"id-{text}", session=session)
        await broker.send(step=STEP, queue=queue, messages=[message])


async def receive(broker: Broker, queue: str = TURNS, limit: int = 100) -> Sequence[Received]:
    return await broker.receive(queue=queue, limit=limit)


async def receive_one(broker: Broker, queue: str = TURNS) -> Received:
    [message] = await broker.receive(queue=queue, limit=1)
    return message


async def next_of(broker: Broker, session: str, limit: int = 1) -> Sequence[Received]:
    return await broker.receive_session(queue=INBOUND, session=session, limit=limit)


def texts(messages: Sequence[Received]) -> list[str]:
    return [message.body.decode() for message in messages]


def at(clock: ManualClock, text: str, seconds: float, session: str = "") -> QueueMessage:
    when = clock.now() + timedelta(seconds=seconds)
    return QueueMessage(body=text.encode(), id=f"id-{text}", session=session, enqueue_at=when)

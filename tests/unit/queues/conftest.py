"""A place of its own for each test on the Redis that tests share, and where Service Bus messages go."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.queues.service_bus import ServiceBusQueue
from shared.queues.service_bus_settings import ServiceBusSettings
from tests.fakes.service_bus import ArtemisNamespace, Namespace, RealNamespace
from tests.redis_process import RedisProcess
from tests.unit.queues.redis_kit import Place


@pytest.fixture
async def place(redis_server: RedisProcess, tmp_path: Path) -> AsyncIterator[Place]:
    """On the server that tests share."""
    made = Place(redis_server, str(tmp_path))
    yield made
    await made.close()


NO_NAMESPACE = (
    "SERVICEBUS_CONNECTION names no namespace: set it to the connection string of one, or of the official emulator, "
    "with the queues of tests/fakes/service_bus_emulator.json"
)


@pytest.fixture(params=["artemis", "servicebus"])
def namespace(request: pytest.FixtureRequest) -> Namespace:
    """Each place to which the same test sends."""
    if request.param == "artemis":
        return ArtemisNamespace(request.getfixturevalue("artemis"))
    connection = os.environ.get("SERVICEBUS_CONNECTION")
    if not connection:
        pytest.skip(NO_NAMESPACE)
    return RealNamespace(connection)


def settings_of(connection_string: str) -> ServiceBusSettings:
    return ServiceBusSettings.from_environ({"ServiceBusConnection": connection_string})


@pytest.fixture
async def queue(namespace: Namespace) -> AsyncIterator[ServiceBusQueue]:
    """The adapter on either place."""
    queue = ServiceBusQueue(settings_of(namespace.connection_string))
    yield queue
    await queue.close()

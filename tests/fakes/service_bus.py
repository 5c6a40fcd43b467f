"""The other end of what is sent: the AMQP server of the tests, or a real namespace or emulator from which the SDK receives."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from azure.servicebus.aio import ServiceBusClient

from shared.topology import QUEUES
from tests.fakes.artemis import Arrived, Artemis

RECEIVE_SECONDS = 60.0


class Namespace(Protocol):
    """Where the queues are."""

    connection_string: str

    async def arrived(self, queue: str, session: str, ids: Sequence[str]) -> list[Arrived]:
        """The messages of a session, or of a queue, with these ids, each as often as it is there, in order."""


class ArtemisNamespace:
    """The server says what it has stored."""

    def __init__(self, artemis: Artemis) -> None:
        self.connection_string = artemis.connection_string
        self._artemis = artemis

    async def arrived(self, queue: str, session: str, ids: Sequence[str]) -> list[Arrived]:
        all_of_them = [message for transfer in self._artemis.transfers(queue) for message in transfer.messages]
        return [message for message in all_of_them if message.id in ids and (message.session or "") == session]


class RealNamespace:
    """Azure Service Bus, or its official emulator with the queues of tests/fakes/service_bus_emulator.json."""

    def __init__(self, connection_string: str) -> None:
        self.connection_string = connection_string

    async def arrived(self, queue: str, session: str, ids: Sequence[str]) -> list[Arrived]:
        found: list[Arrived] = []
        wanted = session if QUEUES[queue].requires_session else None
        async with (
            asyncio.timeout(RECEIVE_SECONDS),
            ServiceBusClient.from_connection_string(self.connection_string) as client,
            client.get_queue_receiver(queue, session_id=wanted) as receiver,
        ):
            # Once all are there, whatever else comes at once is a repeat.
            while batch := await receiver.receive_messages(
                max_message_count=10, max_wait_time=2 if {each.id for each in found} >= set(ids) else 30
            ):
                for message in batch:
                    await receiver.complete_message(message)
                    if message.message_id in ids:
                        found.append(_arrived(message))
        return found


def _arrived(message: object) -> Arrived:
    from azure.servicebus import ServiceBusReceivedMessage

    assert isinstance(message, ServiceBusReceivedMessage)
    assert message.message_id
    properties = message.application_properties or {}
    return Arrived(
        id=message.message_id,
        session=message.session_id,
        scheduled=message.scheduled_enqueue_time_utc,
        properties={_text(name): _text(value) for name, value in properties.items()},
        body=b"".join(message.body),  # type: ignore[arg-type]  # bodies of other kinds are not sent here
    )


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)

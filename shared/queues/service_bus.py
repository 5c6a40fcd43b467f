"""Azure Service Bus: the sending half of the queues. In Azure the Functions host receives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING

from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from shared.messages import Refused, SettingError
from shared.ports import Parts, QueueDepth, QueueMessage, Remark
from shared.queues import limits
from shared.queues.service_bus_sender import ATTEMPT_SECONDS, IDLE_SECONDS, QueueSender
from shared.queues.service_bus_settings import MANAGED_IDENTITY, ServiceBusSettings
from shared.steps import Step
from shared.topology import INBOUND, QUEUES, QueueSettings

if TYPE_CHECKING:
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

    Credential = DefaultAzureCredential | ManagedIdentityCredential

OVERHEAD_BYTES = 512
"""More than a message's ids, times and AMQP's own words take beside its body."""


def build(parts: Parts) -> ServiceBusQueue:
    """The namespace that the triggers' connection names. Raises SettingError."""
    # Azure's worker keeps what any library logs as INFO: here that is each change of each connection's state.
    for name in ("azure.servicebus", "azure.identity"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return ServiceBusQueue(ServiceBusSettings.from_environ(parts.environ))


class ServiceBusQueue:
    """Implements `shared.ports.Queue`. One client per process; the SDK opens a connection for each queue that is sent to.

    A connection is kept for as long as Service Bus keeps it, and made again by the next message. No message is sent to
    keep it.
    """

    def __init__(
        self,
        settings: ServiceBusSettings,
        *,
        queues: Mapping[str, QueueSettings] = QUEUES,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """Connect to nothing yet. Raises SettingError where the connection string cannot be read."""
        self._queues = queues
        self._idle_seconds = idle_seconds
        self._settings = settings
        self._credential = None if settings.connection.get_secret_value() else _credential(settings)
        self._client = self._connect()
        self._senders: dict[str, QueueSender] = {}

    def _connect(self) -> ServiceBusClient:
        # The SDK tries once: QueueSender tries again, and knows when.
        if self._credential is not None:
            return ServiceBusClient(
                self._settings.namespace, self._credential, retry_total=0, try_timeout=ATTEMPT_SECONDS
            )
        try:
            return ServiceBusClient.from_connection_string(
                self._settings.connection.get_secret_value(), retry_total=0, try_timeout=ATTEMPT_SECONDS
            )
        except ValueError as error:
            raise SettingError(f"ServiceBusConnection is wrong: {error}") from None

    async def examine(self) -> Sequence[Remark]:
        """Connect to the queue that webhooks send to, so that the first of them waits for less. Raises as `send` does."""
        await self._sender(INBOUND).send((), size=0)
        return [
            Remark("Service Bus answers; what it has taken survives any process and machine of ours (PRAXOS_QUEUE)")
        ]

    async def send(self, *, step: Step, queue: str, messages: Sequence[QueueMessage]) -> None:
        """Send as one batch. Raises TooLarge or Refused for what Service Bus refuses, QueueUnavailable."""
        settings = self._queues.get(queue)
        if settings is None:
            raise Refused(f"there is no queue {queue!r} to send to")
        limits.check(queue, settings, messages)
        if messages:
            size = sum(len(message.body) + OVERHEAD_BYTES for message in messages)
            await self._sender(queue).send([_outgoing(message) for message in messages], size=size)

    async def depths(self) -> Sequence[QueueDepth]:
        """How much waits in each queue, as far as it can be peeked at. Raises QueueUnavailable."""
        from shared.queues.service_bus_depths import depth  # for operators only

        return await asyncio.gather(*(depth(self._connect, name, each) for name, each in self._queues.items()))

    def _sender(self, queue: str) -> QueueSender:
        if queue not in self._senders:
            connect = partial(self._client.get_queue_sender, queue)
            self._senders[queue] = QueueSender(queue=queue, connect=connect, idle_seconds=self._idle_seconds)
        return self._senders[queue]

    async def close(self) -> None:
        """Send what waits, and let go of the connections."""
        await asyncio.gather(*(sender.close() for sender in self._senders.values()))
        await self._client.close()
        if self._credential is not None:
            await self._credential.close()


def _credential(settings: ServiceBusSettings) -> Credential:
    """The identity that the Functions host would take for the same settings."""
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential  # slow; not for connection strings

    client_id = settings.client_id or None
    if settings.credential.lower() == MANAGED_IDENTITY:
        return ManagedIdentityCredential(client_id=client_id)
    return DefaultAzureCredential(managed_identity_client_id=client_id)


def _outgoing(message: QueueMessage) -> ServiceBusMessage:
    return ServiceBusMessage(
        message.body,
        message_id=message.id,
        session_id=message.session or None,
        application_properties=dict(message.properties) or None,  # type: ignore[arg-type]  # a dict is invariant
        scheduled_enqueue_time_utc=message.enqueue_at.astimezone(UTC) if message.enqueue_at else None,
    )

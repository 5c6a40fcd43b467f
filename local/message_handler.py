"""One message: the function is called with it, its lock is kept meanwhile, and it is settled by how the call ended."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from types import MappingProxyType

from azure.functions.servicebus import ServiceBusMessage

from local.indexing import QueueFunction
from local.invocations import Invocations
from shared import telemetry, topology
from shared.messages import Conflict, Transient
from shared.ports import Broker, Clock, Received
from shared.steps import Step

SOON_SECONDS = 0.01
"""The shortest time between two renewals."""

_STEPS = MappingProxyType(
    {
        topology.INBOUND: Step.SETTLE_INBOUND,
        topology.TURNS: Step.SETTLE_TURNS,
        topology.BACKGROUND: Step.SETTLE_BACKGROUND,
        topology.OUTBOUND: Step.SETTLE_OUTBOUND,
    }
)

_log = telemetry.logger("local.messages")


class MessageHandler:
    """Calls functions with messages and settles them."""

    def __init__(self, *, broker: Broker, invocations: Invocations, clock: Clock, renew_for: timedelta) -> None:
        self._broker = broker
        self._invocations = invocations
        self._clock = clock
        self._renew_for = renew_for.total_seconds()

    async def handle(self, function: QueueFunction, message: Received) -> bool:
        """Call the function; complete the message when it returns, abandon it when it raises.

        Returns False when it could not be settled, most often because its lock was lost: then it comes again.
        """
        renewal = _Renewal(self._broker, self._clock, message, self._renew_for)
        interactive = message.queue != topology.BACKGROUND
        try:
            await self._invocations.run(function, _service_bus_message(message), interactive=interactive)
        except asyncio.CancelledError:
            await self._abandon(function, message)
            raise
        except Exception:  # noqa: BLE001  whatever the function raises, its message is given back
            _log.exception(
                "function %s failed on delivery %d", function.name, message.delivery_count, extra=_about(message)
            )
            return await self._abandon(function, message)
        finally:
            renewal.stop()
        return await self._complete(function, message)

    async def _complete(self, function: QueueFunction, message: Received) -> bool:
        step = _STEPS.get(message.queue, Step.SETTLE_DEAD_LETTERS)
        try:
            await self._broker.complete(step=step, message=message)
        except (Conflict, Transient) as error:
            _log.warning(
                "function %s returned, but its message comes again: %s", function.name, error, extra=_about(message)
            )
            return False
        return True

    async def _abandon(self, function: QueueFunction, message: Received) -> bool:
        try:
            await self._broker.abandon(message=message)
        except (Conflict, Transient) as error:
            _log.warning(
                "the message of function %s could not be given back: %s", function.name, error, extra=_about(message)
            )
            return False
        return True


class _Renewal:
    """Renews the lock of one message at half of what remains of it, for `renew_for` seconds at most."""

    def __init__(self, broker: Broker, clock: Clock, message: Received, renew_for: float) -> None:
        self._broker = broker
        self._clock = clock
        self._message = message
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + renew_for
        self._task: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(self._half(message.locked_until), self._start)

    def _half(self, until: datetime) -> float:
        return max((until - self._clock.now()).total_seconds() / 2, SOON_SECONDS)

    def _start(self) -> None:
        self._task = self._loop.create_task(self._renew())

    async def _renew(self) -> None:
        if self._loop.time() >= self._end:
            return
        try:
            until = await self._broker.renew(message=self._message)
        except Conflict as error:
            _log.warning("the function runs on, but %s", error)
            return
        except Transient as error:
            _log.warning("a lock was not renewed, trying again: %s", error)
            self._timer = self._loop.call_later(1, self._start)
            return
        self._timer = self._loop.call_later(self._half(until), self._start)

    def stop(self) -> None:
        self._timer.cancel()
        if self._task:
            self._task.cancel()


def _about(message: Received) -> dict[str, dict[str, object]]:
    """What a log line says of a message: never its body."""
    return {"fields": {"queue": message.queue, "message_id": message.id, "sequence_number": message.sequence_number}}


def _service_bus_message(message: Received) -> ServiceBusMessage:
    properties = dict(message.properties)
    return ServiceBusMessage(
        body=message.body,
        application_properties=properties,
        user_properties=dict[str, object](properties),
        message_id=message.id,
        session_id=message.session or None,
        delivery_count=message.delivery_count,
        sequence_number=message.sequence_number,
        enqueued_sequence_number=message.sequence_number,
        enqueued_time_utc=message.enqueued_at,
        lock_token=message.lock_token,
        locked_until=message.locked_until,
        dead_letter_reason=message.dead_letter_reason or None,
        dead_letter_error_description=message.dead_letter_description or None,
    )

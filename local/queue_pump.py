"""Receives from one queue without sessions, or from a dead-letter queue, and runs its function side by side."""

from __future__ import annotations

import asyncio
from typing import Protocol

from local.indexing import QueueFunction
from local.message_handler import MessageHandler
from local.tasks import settle_tasks
from shared import telemetry
from shared.messages import Transient
from shared.ports import Broker, Received

WAIT_SECONDS = 60.0
TROUBLE_SECONDS = 1.0
"""How long a pump stands back after the broker, or its own code, failed."""

_log = telemetry.logger("local.queues")


class Gate(Protocol):
    """Decides when a message may start, and hears when it has."""

    async def wait(self) -> None:
        """Return when one more message may start."""

    def started(self, task: asyncio.Task[None]) -> None:
        """A message started; its task ends with it."""


class QueuePump:
    """`maxConcurrentCalls` messages at a time; through a gate, one by one."""

    def __init__(
        self,
        *,
        function: QueueFunction,
        broker: Broker,
        handler: MessageHandler,
        concurrent_calls: int,
        gate: Gate | None = None,
    ) -> None:
        self._function = function
        self._broker = broker
        self._handler = handler
        self._limit = concurrent_calls
        self._gate = gate
        self._running: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to receive."""
        self._task = asyncio.get_running_loop().create_task(self._receive_for_ever())

    async def stop(self, *, seconds: float) -> None:
        """Receive no more; let what runs finish for so many seconds, then cancel it."""
        if self._task:
            await settle_tasks({self._task}, seconds=0)
        await settle_tasks(self._running, seconds=seconds)

    async def _receive_for_ever(self) -> None:
        while True:
            try:
                await self._receive()
            except Transient as error:
                _log.warning("%s cannot be received from: %s", self._function.queue, error)
                await asyncio.sleep(TROUBLE_SECONDS)
            except Exception:  # noqa: BLE001  a bug must not end the receiving of a queue
                _log.exception("receiving from %s failed", self._function.queue)
                await asyncio.sleep(TROUBLE_SECONDS)

    async def _receive(self) -> None:
        queue = self._function.queue
        while len(self._running) >= self._limit:
            self._room.clear()
            await self._room.wait()
        if self._gate:
            await self._receive_one(queue, self._gate)
            return
        limit = self._limit - len(self._running)
        for message in await self._broker.receive(queue=queue, limit=limit, timeout=WAIT_SECONDS):
            self._begin(message)

    async def _receive_one(self, queue: str, gate: Gate) -> None:
        """Nothing is locked before the gate is open."""
        await gate.wait()
        messages = await self._broker.receive(queue=queue, limit=1)
        for message in messages:
            self._begin(message)
        if not messages:
            await self._broker.wait(queues=[queue], timeout=WAIT_SECONDS)

    def _begin(self, message: Received) -> None:
        task = asyncio.get_running_loop().create_task(self._handle(message))
        self._running.add(task)
        task.add_done_callback(self._ended)
        if self._gate:
            self._gate.started(task)

    async def _handle(self, message: Received) -> None:
        await self._handler.handle(self._function, message)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._room.set()
        if not task.cancelled() and (error := task.exception()):
            _log.error("a message of %s was not settled", self._function.queue, exc_info=error)

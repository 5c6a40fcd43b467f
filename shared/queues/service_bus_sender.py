"""One Service Bus queue's link: what waits meanwhile goes together, in order, and again over a new link where one broke."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from azure.core.exceptions import AzureError
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusSender

from shared.messages import QueueUnavailable
from shared.queues.service_bus_errors import breaks_link, may_pass, trouble
from shared.telemetry import logger
from shared.topology import MAX_MESSAGE_BYTES

ATTEMPT_SECONDS = 8.0
"""How long one try may take, a new connection included. A cold one takes about a second."""
SEND_SECONDS = 20.0
"""How long all tries of a batch may take, before the caller hears that the queue is away."""
PAUSES = (0.0, 0.5, 1.0, 2.0)
"""Seconds before each further try. The first is at once: most often only an idle link was taken down."""
BUSY_PAUSE = 0.5
"""The least where Service Bus throttles."""
CLOSE_SECONDS = 3.0
IDLE_SECONDS = 540.0
"""Service Bus takes a link down when nothing was sent for ten minutes: one that is nearly as old is made anew before,
so that nothing is sent over a link of which nobody knows whether it still takes anything."""
MERGED_BYTES = 128 * 1024
"""Calls that wait are sent together up to here: half of what one batch may have, so that encoding never exceeds it."""

_log = logger("queues.service_bus")


@dataclass(slots=True, eq=False)
class _Call:
    """One call of `send`: its messages stay together. Without messages it only makes sure of the link."""

    messages: Sequence[ServiceBusMessage]
    size: int
    done: asyncio.Future[None]


class QueueSender:
    """Sends to one queue, one batch at a time: the SDK's sender is not made for more, and so order is kept.

    Every try sends the same messages with the same ids. A try that got no answer may have arrived: duplicate detection
    swallows the repeat on `inbound`, and elsewhere a bell that rings twice is harmless.
    """

    def __init__(
        self, *, queue: str, connect: Callable[[], ServiceBusSender], idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._queue = queue
        self._connect = connect
        self._idle_seconds = idle_seconds
        self._used = 0.0
        self._link: ServiceBusSender | None = None
        self._waiting: deque[_Call] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def send(self, messages: Sequence[ServiceBusMessage], *, size: int) -> None:
        """Return when Service Bus has taken them. Raises QueueUnavailable, or TooLarge.

        Who stops waiting does not stop a batch that is under way.
        """
        call = _Call(messages, size, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if self._pump is None:
            self._pump = asyncio.create_task(self._send_all())
        await call.done

    async def _send_all(self) -> None:
        batch: list[_Call] = []
        try:
            while batch := self._next_batch():
                await self._settle(batch)
        finally:
            self._pump = None
            for call in (*batch, *self._waiting):
                if not call.done.done():
                    call.done.set_exception(QueueUnavailable(f"{self._queue}: the sender was closed"))
            self._waiting.clear()

    def _next_batch(self) -> list[_Call]:
        """The oldest calls that fit together, without those whose callers have gone."""
        batch: list[_Call] = []
        size = 0
        while self._waiting:
            call = self._waiting[0]
            if batch and size + call.size > MERGED_BYTES:
                break
            self._waiting.popleft()
            if not call.done.done():
                batch.append(call)
                size += call.size
        return batch

    async def _settle(self, batch: list[_Call]) -> None:
        try:
            await self._send_again([message for call in batch for message in call.messages])
        except QueueUnavailable as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001  whatever it is, it is for the callers
            if len(batch) == 1:
                _fail(batch, error)
                return
            for call in batch:  # one of them is at fault: the others do not suffer for it
                await self._settle([call])
        else:
            for call in batch:
                if not call.done.done():
                    call.done.set_result(None)

    async def _send_again(self, messages: Sequence[ServiceBusMessage]) -> None:
        """Try until it is taken, until it never can be, or until the time is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + SEND_SECONDS
        for pause in (*PAUSES, None):
            try:
                async with asyncio.timeout_at(min(end, loop.time() + ATTEMPT_SECONDS)):
                    await self._send_once(messages)
                return
            except (AzureError, OSError, TimeoutError, ValueError) as error:
                told = trouble(error, queue=self._queue)
                if breaks_link(error):
                    self._drop()
                elif pause is not None:
                    pause = max(pause, BUSY_PAUSE)  # noqa: PLW2901  it is this try's own
                if not may_pass(error) or pause is None or loop.time() + pause >= end:
                    raise told from error
                _log.info("sending again", extra={"fields": {"queue": self._queue, "pause": pause, "error": str(told)}})
            await asyncio.sleep(pause)

    async def _send_once(self, messages: Sequence[ServiceBusMessage]) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() - self._used > self._idle_seconds:
            self._drop()
        if self._link is None:
            self._link = self._connect()
            self._used = loop.time()
        # Opens the link where it is not. What encoding makes too large is found out here, before anything is sent.
        batch = await self._link.create_message_batch(max_size_in_bytes=MAX_MESSAGE_BYTES)
        for message in messages:
            batch.add_message(message)
        if messages:
            await self._link.send_messages(batch if len(messages) > 1 else messages[0])
        self._used = loop.time()

    def _drop(self) -> None:
        """Let go of the link without waiting for it."""
        link, self._link = self._link, None
        if link is not None:
            task = asyncio.create_task(_close(link))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Send what waits, as far as that works at once, and close the link."""
        if self._pump is not None:
            pump = self._pump
            await asyncio.wait([pump], timeout=CLOSE_SECONDS)
            pump.cancel()
            await asyncio.wait([pump])
        self._drop()
        if self._closing:
            await asyncio.wait(self._closing)


def _fail(batch: Sequence[_Call], error: Exception) -> None:
    for call in batch:
        if not call.done.done():
            call.done.set_exception(error)


async def _close(link: ServiceBusSender) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await link.close()
    except (AzureError, OSError, TimeoutError, ValueError) as error:
        _log.info("link not closed", extra={"fields": {"error": type(error).__name__}})

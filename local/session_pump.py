"""Receives from one queue with sessions: a slot per session, one message of a session at a time, in order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

from local.indexing import QueueFunction
from local.message_handler import MessageHandler
from local.queue_pump import TROUBLE_SECONDS, WAIT_SECONDS
from local.tasks import settle_tasks
from shared import telemetry
from shared.messages import Conflict, Transient
from shared.ports import Broker, Clock, Received

EARLY_SECONDS = 10.0
"""A session's lock that ends sooner than this is renewed before its next message is worked on."""

_log = telemetry.logger("local.sessions")


@dataclass(slots=True)
class _Slot:
    """A session that this process holds. `busy`: its function runs. `lost`: another slot of this process has it now."""

    session: str
    busy: bool = False
    lost: bool = False


class SessionPump:
    """`maxConcurrentSessions` slots; each keeps its session for `sessionIdleTimeout` after it ran dry."""

    def __init__(
        self,
        *,
        function: QueueFunction,
        broker: Broker,
        clock: Clock,
        handler: MessageHandler,
        concurrent_sessions: int,
        idle_timeout: timedelta,
    ) -> None:
        self._function = function
        self._broker = broker
        self._clock = clock
        self._handler = handler
        self._free = asyncio.Semaphore(concurrent_sessions)
        self._idle_seconds = idle_timeout.total_seconds()
        self._slots: dict[asyncio.Task[None], _Slot] = {}
        self._holder: dict[str, _Slot] = {}
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to accept sessions."""
        self._task = asyncio.get_running_loop().create_task(self._accept_for_ever())

    async def stop(self, *, seconds: float) -> None:
        """Accept no more; let the messages in work finish for so many seconds, then cancel them."""
        self._stopping = True
        if self._task:
            await settle_tasks({self._task}, seconds=0)
        await settle_tasks({task for task, slot in self._slots.items() if not slot.busy}, seconds=0)
        await settle_tasks(self._slots.keys(), seconds=seconds)

    async def _accept_for_ever(self) -> None:
        while True:
            await self._free.acquire()
            try:
                slot = _Slot(await self._next_session())
            except BaseException:
                self._free.release()
                raise
            # The same session again: the slot that had it lost its lock without having noticed.
            if before := self._holder.get(slot.session):
                before.lost = True
            self._holder[slot.session] = slot
            task = asyncio.get_running_loop().create_task(self._hold(slot))
            self._slots[task] = slot
            task.add_done_callback(self._ended)

    async def _next_session(self) -> str:
        queue = self._function.queue
        while True:
            try:
                session = await self._broker.accept_session(queue=queue)
                if session is not None:
                    return session
                await self._broker.wait(queues=[queue], timeout=WAIT_SECONDS)
            except Transient as error:
                _log.warning("no session of %s can be accepted: %s", queue, error)
                await asyncio.sleep(TROUBLE_SECONDS)
            except Exception:  # noqa: BLE001  a bug must not end the receiving of a queue
                _log.exception("accepting a session of %s failed", queue)
                await asyncio.sleep(TROUBLE_SECONDS)

    async def _hold(self, slot: _Slot) -> None:
        try:
            await self._work(slot)
        except Conflict as error:
            _log.warning("a session ended early: %s", error)
        except Transient as error:
            _log.warning("a session of %s was given up: %s", self._function.queue, error)
        finally:
            if self._holder.get(slot.session) is slot:
                del self._holder[slot.session]
            if not slot.lost:
                await self._broker.release_session(queue=self._function.queue, session=slot.session)

    async def _work(self, slot: _Slot) -> None:
        queue, loop = self._function.queue, asyncio.get_running_loop()
        dry_since = loop.time()
        while not self._stopping and not slot.lost:
            left = max(dry_since + self._idle_seconds - loop.time(), 0.0)
            messages = await self._broker.receive_session(queue=queue, session=slot.session, limit=1, timeout=left)
            if messages:
                slot.busy = True
                settled = await self._handler.handle(self._function, await self._with_time(messages[0]))
                slot.busy = False
                dry_since = loop.time()
                if not settled:
                    return
            elif not left:
                return

    async def _with_time(self, message: Received) -> Received:
        """The message under a lock that lasts: a session that is never dry keeps one lock for many messages."""
        if (message.locked_until - self._clock.now()).total_seconds() > EARLY_SECONDS:
            return message
        return replace(message, locked_until=await self._broker.renew(message=message))

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._slots[task]
        self._free.release()
        if not task.cancelled() and (error := task.exception()):
            _log.error("a session of %s was not given back", self._function.queue, exc_info=error)

"""A process that can be killed and frozen at any moment: every call that leaves it stops at a gate until it is let through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from shared.messages import Address, OutboundMessage, Progress, StoreUnavailable
from shared.ports import Capabilities, QueueMessage
from shared.steps import Step
from tests.fakes.memory_store import Shelves

T = TypeVar("T")


_started: ContextVar[asyncio.Task[Any]] = ContextVar("started")


class Killed(BaseException):
    """The process is gone. Nothing can catch this and still do something: each further call raises it again."""


class How(StrEnum):
    """What becomes of a call that waits at the gate."""

    DONE = "done"
    LOST = "not done, the store is away"
    UNHEARD = "done, its answer got lost"


@dataclass(slots=True)
class Ticket:
    """A call at the gate."""

    process: Process
    what: str
    call: Callable[[], Any]
    future: asyncio.Future[Any]
    task: asyncio.Task[Any] | None = None
    """Whose call it is: what the process was given to do, whichever task of it calls."""
    of_store: bool = False
    """True where the other side may be away."""
    after_cut: Callable[[], None] | None = None
    """What happens outside although whoever called was cut."""


class Process:
    """One instance of the app, and what it works on."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self.loop = loop
        self.dead = False
        self.frozen = False
        self.gate: list[Ticket] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self.held: list[Any] = []
        """What it was given by the queues and has not settled."""
        self.app: Any = None

    async def call(
        self,
        what: str,
        call: Callable[[], T],
        *,
        of_store: bool = False,
        after_cut: Callable[[], None] | None = None,
    ) -> T:
        """Wait at the gate; then do it. What a call does outside is done in one go, as seen from here."""
        if self.dead:
            raise Killed
        ticket = Ticket(self, what, call, self.loop.create_future(), _started.get(None), of_store, after_cut)
        self.gate.append(ticket)
        try:
            result: T = await ticket.future
        except asyncio.CancelledError:
            if ticket in self.gate:
                self.gate.remove(ticket)
                if after_cut and not self.dead:
                    after_cut()
            raise
        if self.dead:
            raise Killed
        return result

    def let_through(self, ticket: Ticket, how: How = How.DONE) -> None:
        """Do a call, and let its caller hear of it."""
        self.gate.remove(ticket)
        if ticket.future.done():
            return
        away = StoreUnavailable(f"{how}, says the test")
        if how is How.LOST:
            ticket.future.set_exception(away)
            return
        try:
            result = ticket.call()
        except Exception as error:
            ticket.future.set_exception(error)
            return
        if how is How.UNHEARD:
            ticket.future.set_exception(away)
        else:
            ticket.future.set_result(result)

    def start(self, work: Coroutine[Any, Any, Any], done: Callable[[asyncio.Task[Any]], None]) -> asyncio.Task[Any]:
        """Work on something; `done` hears of its end, unless the process is gone by then."""
        context = copy_context()
        task = self.loop.create_task(work, context=context)
        context.run(_started.set, task)
        self.tasks.add(task)

        def ended(ended_task: asyncio.Task[Any]) -> None:
            self.tasks.discard(ended_task)
            if not ended_task.cancelled():
                ended_task.exception()
            if not self.dead:
                done(ended_task)

        task.add_done_callback(ended)
        return task

    def kill(self) -> None:
        """Nothing that it was doing goes on, and nothing of it is heard of again."""
        self.dead = True
        for ticket in self.gate:
            ticket.future.cancel()
        self.gate.clear()


class GatedStore:
    """The Store port of one process."""

    lag = 0.0

    def __init__(self, process: Process, shelves: Shelves) -> None:
        self._process = process
        self._shelves = shelves

    async def read(self, **given: Any) -> Any:
        return await self._call(f"read {given['id'][:40]}", lambda: self._shelves.read(**given))

    async def query(self, **given: Any) -> Any:
        return await self._call(f"query {given['kind']}", lambda: self._shelves.query(**given))

    async def batch(self, *, step: Step, **given: Any) -> Sequence[str]:
        who = self._process.name
        return await self._call(str(step), lambda: self._shelves.batch(step=step, who=who, **given))

    async def due(self, **given: Any) -> Any:
        return await self._call("due", lambda: self._shelves.due(**given))

    async def dead_letters(self, **given: Any) -> Any:
        return await self._call("dead letters", lambda: self._shelves.dead_letters(**given))

    async def close(self) -> None:
        """Nothing is open."""

    async def _call(self, what: str, call: Callable[[], T]) -> T:
        return await self._process.call(what, call, of_store=True)


class GatedQueue:
    """The Queue port of one process."""

    def __init__(self, process: Process, send: Callable[[str, QueueMessage], None]) -> None:
        self._process = process
        self._send = send

    async def send(self, *, step: Step, queue: str, messages: Sequence[QueueMessage]) -> None:
        def send() -> None:
            for message in messages:
                self._send(queue, message)

        await self._process.call(f"{step} > {queue}", send)

    async def close(self) -> None:
        """Nothing is open."""


class GatedOrchestrations:
    """The Orchestrations port of one process."""

    def __init__(self, process: Process, wake: Callable[[str, str], None]) -> None:
        self._process = process
        self._wake = wake

    async def wake(self, *, instance: str, reference: str) -> None:
        await self._process.call("wake", lambda: self._wake(instance, reference))


class GatedCheckpoints:
    """The Checkpoints port of one process, as far as the pipeline itself uses it."""

    def __init__(self, process: Process, discard: Callable[[Sequence[str]], None]) -> None:
        self._process = process
        self._discard = discard

    async def discard(self, *, threads: Sequence[str]) -> None:
        await self._process.call("discard threads", lambda: self._discard(threads), of_store=True)


class GatedChannel:
    """The Channel port of one process: every message is one part."""

    name = "fake"
    capabilities = Capabilities()

    def __init__(self, process: Process, take: Callable[[str, str, bool], str]) -> None:
        self._process = process
        self._take = take

    def render(self, *, message: OutboundMessage) -> Sequence[dict[str, Any]]:
        return [{"text": message.text}]

    async def send(self, *, address: Address, part: dict[str, Any], key: str, repeat: bool) -> str:
        return await self._process.call("send", lambda: self._take(key, part["text"], repeat))

    async def show(self, *, address: Address, progress: Progress | None, handle: str) -> str:
        return "shown"

    async def close(self) -> None:
        """Nothing is open."""

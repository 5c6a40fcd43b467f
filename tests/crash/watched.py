"""What is real, with its durable steps noted: each port is the adapter's own, in a coat that tells the journal.

A service that is away, or that loses its answers, is so here too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from local.durable.storage import DurableStorage
from shared.messages import Transient
from shared.ports import Broker, Channel, Checkpoints, Effect, Json, Orchestrations, QueueMessage, Received, Store, Tool
from shared.steps import Step
from tests.crash.points import Journal

T = TypeVar("T")

MUTE_EVERY = 5
"""How many of a mute service's answers to writes get lost: one in so many."""
SAYS_THE_TEST = "says the test"
"""How the words of every trouble end that is not real."""


class Outage:
    """As long as one file is there, a service is not; as long as another is, it does what it is asked and may not say so."""

    def __init__(self, *, away: Path, mute: Path, error: type[Transient]) -> None:
        self._away = away
        self._mute = mute
        self._error = error
        self._writes = 0

    async def call(self, function: Callable[[], Awaitable[T]]) -> T:
        if self._away.exists():
            raise self._error(f"away, {SAYS_THE_TEST}")
        return await function()

    async def write(self, function: Callable[[], Awaitable[T]]) -> T:
        result = await self.call(function)
        self._writes += 1
        if self._writes % MUTE_EVERY == 0 and self._mute.exists():
            raise self._error(f"the answer got lost, {SAYS_THE_TEST}")
        return result


class WatchedStore:
    """The Store port over the real store."""

    def __init__(self, store: Store, journal: Journal, outage: Outage) -> None:
        self.lag = store.lag
        self._store = store
        self._journal = journal
        self._outage = outage

    async def batch(self, *, step: Step, **arguments: Any) -> Sequence[str]:
        def write() -> Awaitable[Sequence[str]]:
            return self._outage.write(lambda: self._store.batch(step=step, **arguments))

        return await self._journal.step(step, write)

    async def read(self, **arguments: Any) -> Any:
        return await self._outage.call(lambda: self._store.read(**arguments))

    async def query(self, **arguments: Any) -> Any:
        return await self._outage.call(lambda: self._store.query(**arguments))

    async def due(self, **arguments: Any) -> Any:
        return await self._outage.call(lambda: self._store.due(**arguments))

    async def dead_letters(self, **arguments: Any) -> Any:
        return await self._outage.call(lambda: self._store.dead_letters(**arguments))

    async def close(self) -> None:
        await self._store.close()


class WatchedBroker:
    """The Broker port over the real broker."""

    def __init__(self, broker: Broker, journal: Journal, outage: Outage) -> None:
        self._broker = broker
        self._journal = journal
        self._outage = outage

    async def send(self, *, step: Step, queue: str, messages: Sequence[QueueMessage]) -> None:
        def send() -> Awaitable[None]:
            return self._outage.write(lambda: self._broker.send(step=step, queue=queue, messages=messages))

        await self._journal.step(step, send)

    async def complete(self, *, step: Step, message: Received) -> None:
        def complete() -> Awaitable[None]:
            return self._outage.write(lambda: self._broker.complete(step=step, message=message))

        await self._journal.step(step, complete)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._broker, name)
        if name in {"wait", "close"}:
            return method
        return lambda **arguments: self._outage.call(lambda: method(**arguments))


class WatchedChannel:
    """The Channel port over a real channel."""

    def __init__(self, channel: Channel, journal: Journal) -> None:
        self._channel = channel
        self._journal = journal

    async def send(self, *, part: Json, **arguments: Any) -> str:
        return await self._journal.step(Step.CALL_PLATFORM, lambda: self._channel.send(part=part, **arguments))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)


class WatchedCheckpoints:
    """The Checkpoints port over the real one: every write of the library's saver is part of a flush."""

    def __init__(self, checkpoints: Checkpoints, journal: Journal, outage: Outage) -> None:
        self._checkpoints = checkpoints
        self._journal = journal
        self._outage = outage
        self._saver: Any = None

    async def open(self) -> Any:
        saver: Any = await self._checkpoints.open()
        if saver is not self._saver:
            self._saver = saver
            saver.aget_tuple = self._read(saver.aget_tuple)
            saver.aput = self._write(saver.aput)
            saver.aput_writes = self._write(saver.aput_writes)
        return saver

    def _read(self, read: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        return lambda *arguments: self._outage.call(lambda: read(*arguments))

    def _write(self, write: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        def flush(*arguments: Any) -> Awaitable[T]:
            return self._journal.step(Step.FLUSH, lambda: self._outage.write(lambda: write(*arguments)))

        return flush

    def __getattr__(self, name: str) -> Any:
        return getattr(self._checkpoints, name)


class WatchedOrchestrations:
    """The Orchestrations port over the client that an invocation was handed."""

    def __init__(self, orchestrations: Orchestrations, journal: Journal) -> None:
        self._orchestrations = orchestrations
        self._journal = journal

    async def wake(self, **arguments: Any) -> None:
        await self._journal.step(Step.RING_RUN, lambda: self._orchestrations.wake(**arguments))


class WatchedDurable(DurableStorage):
    """The Durable engine's file. It is away together with the queues: in Azure it is a service beside theirs."""

    def __init__(self, *, journal: Journal, outage: Outage, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._journal = journal
        self._outage = outage

    async def _note(self, step: Step, write: Callable[[], Awaitable[T]]) -> T:
        return await self._journal.step(step, lambda: self._outage.write(write))

    async def start(self, *, step: Step, **arguments: Any) -> None:
        write = super().start
        await self._note(step, lambda: write(step=step, **arguments))

    async def raise_event(self, *, step: Step, **arguments: Any) -> Any:
        write = super().raise_event
        return await self._note(step, lambda: write(step=step, **arguments))

    async def finish_episode(self, *, step: Step, **arguments: Any) -> None:
        write = super().finish_episode
        await self._note(step, lambda: write(step=step, **arguments))

    async def finish_activity(self, *, step: Step, **arguments: Any) -> None:
        write = super().finish_activity
        await self._note(step, lambda: write(step=step, **arguments))


def watch_tools(tools: Mapping[str, Tool], journal: Journal) -> None:
    """Note each call of a tool that changes something. The tool itself stays: what it is says what it can do."""

    def watched(call: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        return lambda **arguments: journal.step(Step.CALL_TOOL, lambda: call(**arguments))

    for tool in tools.values():
        if tool.effect is not Effect.READ:
            tool.call = watched(tool.call)  # type: ignore[method-assign]  # that is how it is watched

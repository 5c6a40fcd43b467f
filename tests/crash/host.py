"""The host of `python -m local up`, re-wired: it notes its durable steps, and is killed, frozen or starved at them.

`python -m tests.crash.host --journal FILE --signs FOLDER [--plan PLAN] [--lock-seconds N] [up's own options]`
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from shared import app as composition
from shared import topology
from shared.app import App
from shared.messages import ModelUnavailable, Permanent, QueueUnavailable, StoreUnavailable, Transient
from shared.ports import Broker, Channel, Json, QueueMessage, Received, Store
from shared.steps import Step
from tests.crash.points import Journal, Plan

T = TypeVar("T")

STORE_AWAY = "store-away"
QUEUE_AWAY = "queue-away"
STORE_MUTE = "store-mute"
QUEUE_MUTE = "queue-mute"
MUTE_EVERY = 5
"""How many of a mute service's answers to writes get lost: one in so many."""

SAYS_THE_TEST = "says the test"
"""How the words of every trouble end that is not real."""

SLOWLY = "slowly"
"""A text that begins so is worked on for as many seconds as it says next."""
AWAY = "away"
"""The model is not there for a text that begins so, the first time that it is asked."""
DEADLY = "deadly"
"""A text that begins so ends the process that works on it."""
NEVER = "never"
"""No model will ever answer a text that begins so."""


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


class TroubledAssistant:
    """The real assistant, slow or in trouble where a text asks for it."""

    def __init__(self, assistant: Any, troubled: Path) -> None:
        self._assistant = assistant
        self._troubled = troubled
        """A folder with a file for each event that had its trouble: it survives the process."""

    async def answer(self, *, question: Any, control: Any) -> Any:
        word, _, rest = question.text.partition(" ")
        if word == SLOWLY:
            await self._dawdle(float(rest.split()[0]), control)
        if word == AWAY and not (file := self._troubled / question.event).exists():
            file.touch()
            raise ModelUnavailable(f"away, {SAYS_THE_TEST}")
        if word == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        if word == NEVER:
            raise Permanent(f"never, {SAYS_THE_TEST}")
        return await self._assistant.answer(question=question, control=control)

    async def _dawdle(self, seconds: float, control: Any) -> None:
        ends = asyncio.get_running_loop().time() + seconds
        await control.progress("Taking my time")
        while asyncio.get_running_loop().time() < ends:
            await asyncio.sleep(0.05)
            await control.before_step()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._assistant, name)


class CrashApp(App):
    """The composition root, with everything that is watched put around what is real."""

    def __init__(self, *, journal: Journal, signs: Path, lock_seconds: float | None = None) -> None:
        super().__init__()
        self._journal = journal
        self._signs = signs
        self._lock_seconds = lock_seconds

    @cached_property
    def store(self) -> Any:
        signs, error = self._signs, StoreUnavailable
        outage = Outage(away=signs / STORE_AWAY, mute=signs / STORE_MUTE, error=error)
        return WatchedStore(self._plug_in("storage", self.settings.store), self._journal, outage)

    @cached_property
    def broker(self) -> Any:
        signs, error = self._signs, QueueUnavailable
        outage = Outage(away=signs / QUEUE_AWAY, mute=signs / QUEUE_MUTE, error=error)
        return WatchedBroker(self._real_broker(topology.QUEUES), self._journal, outage)

    def _real_broker(self, queues: Mapping[str, topology.QueueSettings]) -> Broker:
        from shared.queues.sqlite import FILE, SqliteBroker

        if self._lock_seconds:
            lock = timedelta(seconds=self._lock_seconds)
            queues = {name: dataclasses.replace(queue, lock_duration=lock) for name, queue in queues.items()}
        path = self.settings.home / FILE
        return SqliteBroker(path=path, sync=self.settings.sync, clock=self.clock, queues=queues)

    async def _open_channel(self, name: str) -> Channel | None:
        channel = await super()._open_channel(name)
        watched: Any = WatchedChannel(channel, self._journal) if channel and name != "web" else channel
        return watched

    async def assistant(self) -> Any:
        return TroubledAssistant(await super().assistant(), self._signs)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the host; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.host", description=__doc__)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--plan", type=Plan.parse)
    parser.add_argument("--signs", type=Path, required=True, help=f"a folder; {STORE_AWAY} in it takes the store away")
    parser.add_argument("--lock-seconds", type=float, help="the lock duration of every queue")
    arguments, of_up = parser.parse_known_args(argv)
    journal = Journal(arguments.journal, plan=arguments.plan)
    composition.use(CrashApp(journal=journal, signs=arguments.signs, lock_seconds=arguments.lock_seconds))
    from local.__main__ import main as local_main

    return local_main(["up", *of_up])


if __name__ == "__main__":
    sys.exit(main())

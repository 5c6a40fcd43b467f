"""The host of `python -m local up`, re-wired: it notes its durable steps, and is killed, frozen or starved at them.

`python -m tests.crash.host --journal FILE --signs FOLDER [--plan PLAN] [--lock-seconds N] [--can-look] [up's own options]`
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from local.durable import opening
from local.durable.storage import FILE as DURABLE_FILE
from local.durable.storage import LOCK_SECONDS
from shared import app as composition
from shared import topology
from shared.app import App
from shared.messages import ModelUnavailable, Permanent, QueueUnavailable, StoreUnavailable
from shared.ports import Broker, Channel, Clock, Orchestrations, Tool, ToolResult
from shared.settings import Settings
from tests.crash.points import Journal, Plan
from tests.crash.watched import (
    SAYS_THE_TEST,
    Outage,
    WatchedBroker,
    WatchedChannel,
    WatchedCheckpoints,
    WatchedDurable,
    WatchedOrchestrations,
    WatchedStore,
    watch_tools,
)

STORE_AWAY = "store-away"
QUEUE_AWAY = "queue-away"
STORE_MUTE = "store-mute"
QUEUE_MUTE = "queue-mute"
LOOKED_UP = "looked-up"
"""A file that says, a line each, which texts have been posted: what a look at an effect finds, where it can be looked up."""

SLOWLY = "slowly"
"""A text that begins so is worked on for as many seconds as it says next."""
AWAY = "away"
"""The model is not there for a text that begins so, the first time that it is asked."""
DEADLY = "deadly"
"""A text that begins so ends the process that works on it."""
NEVER = "never"
"""No model will ever answer a text that begins so."""
AWAY_LATER = "away-later"
"""The model is not there when a run that begins so was handed over, the first time that it goes on."""
NEVER_LATER = "never-later"
"""No model will ever go on with a run that begins so, once it was handed over."""


class TroubledAssistant:
    """The real assistant, slow or in trouble where a text asks for it."""

    def __init__(self, assistant: Any, troubled: Path) -> None:
        self._assistant = assistant
        self._troubled = troubled
        """A folder with a file for each event that had its trouble: it survives the process."""

    async def work(self, *, segment: Any, control: Any) -> Any:
        question = segment.question
        word, _, rest = question.text.partition(" ")
        if word == SLOWLY:
            await self._dawdle(float(rest.split()[0]), control)
        if word == AWAY or (word == AWAY_LATER and segment.accepted):
            self._be_away_once(question.event)
        if word == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        if word == NEVER or (word == NEVER_LATER and segment.accepted):
            raise Permanent(f"never, {SAYS_THE_TEST}")
        if word in (AWAY_LATER, NEVER_LATER):
            segment = dataclasses.replace(segment, question=dataclasses.replace(question, text=rest))
        return await self._assistant.work(segment=segment, control=control)

    def _be_away_once(self, event: str) -> None:
        file = self._troubled / event
        if not file.exists():
            file.touch()
            raise ModelUnavailable(f"away, {SAYS_THE_TEST}")

    async def _dawdle(self, seconds: float, control: Any) -> None:
        ends = asyncio.get_running_loop().time() + seconds
        await control.progress("Taking my time")
        while asyncio.get_running_loop().time() < ends:
            await asyncio.sleep(0.05)
            await control.before_step()
        # Dawdling was no step: the segment takes one at least, or the run would never get on.
        control._stepped = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._assistant, name)


class CrashApp(App):
    """The composition root, with everything that is watched put around what is real."""

    def __init__(
        self, *, journal: Journal, signs: Path, lock_seconds: float | None = None, can_look: bool = False
    ) -> None:
        super().__init__()
        self._journal = journal
        self._signs = signs
        self._lock_seconds = lock_seconds
        self._can_look = can_look

    @cached_property
    def _store_outage(self) -> Outage:
        return Outage(away=self._signs / STORE_AWAY, mute=self._signs / STORE_MUTE, error=StoreUnavailable)

    @cached_property
    def _queue_outage(self) -> Outage:
        return Outage(away=self._signs / QUEUE_AWAY, mute=self._signs / QUEUE_MUTE, error=QueueUnavailable)

    @cached_property
    def store(self) -> Any:
        return WatchedStore(self._plug_in("storage", self.settings.store), self._journal, self._store_outage)

    @cached_property
    def broker(self) -> Any:
        return WatchedBroker(self._real_broker(topology.QUEUES), self._journal, self._queue_outage)

    @cached_property
    def checkpoints(self) -> Any:
        real = self._plug_in("checkpoints", self.settings.store)
        return WatchedCheckpoints(real, self._journal, self._store_outage)

    @cached_property
    def tools(self) -> Mapping[str, Tool]:
        tools: Mapping[str, Tool] = super().tools
        watch_tools(tools, self._journal)
        if self._can_look:
            tools["post_webhook"].check = self._look  # type: ignore[attr-defined]  # as a tool of that kind has it
        return tools

    async def _look(self, *, arguments: Any, context: Any) -> ToolResult | None:
        posted = (self._signs / LOOKED_UP).read_text().splitlines()
        return ToolResult("It was posted.") if arguments.text in posted else None

    @property
    def orchestrations(self) -> Any:
        return self._woken

    @orchestrations.setter
    def orchestrations(self, real: Orchestrations | None) -> None:
        self._woken = WatchedOrchestrations(real, self._journal) if real else None

    def open_durable(self, settings: Settings, clock: Clock) -> WatchedDurable:
        """The Durable engine's file, as `local.durable.opening` opens it."""
        return WatchedDurable(
            journal=self._journal,
            outage=self._queue_outage,
            path=settings.home / DURABLE_FILE,
            sync=settings.sync,
            clock=clock,
            lock_seconds=self._lock_seconds or LOCK_SECONDS,
        )

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
    parser.add_argument("--lock-seconds", type=float, help="the lock duration of every queue and of durable work")
    parser.add_argument(
        "--can-look", action="store_true", help=f"posts can be looked up, in {LOOKED_UP} among the signs"
    )
    arguments, of_up = parser.parse_known_args(argv)
    app = CrashApp(
        journal=Journal(arguments.journal, plan=arguments.plan),
        signs=arguments.signs,
        lock_seconds=arguments.lock_seconds,
        can_look=arguments.can_look,
    )
    composition.use(app)
    opening.use(app.open_durable)
    from local.__main__ import main as local_main

    return local_main(["up", *of_up])


if __name__ == "__main__":
    sys.exit(main())

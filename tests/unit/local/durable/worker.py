"""A process with the engine that kills or stops itself right before or after one of the durable steps.

`python -m tests.unit.local.durable.worker HOME LOCK_SECONDS [STEP MOMENT SIGNAL]`
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.durable_functions as df

from local import indexing
from local.durable import opening
from local.durable.service import DurableService
from local.durable.storage import FILE, DurableStorage
from local.host_json import DurableTaskOptions
from local.invocations import Invocations
from shared.clock import SystemClock
from shared.settings import Settings, Sync
from shared.steps import Step

ID = "crashed"
CALLS = "calls.txt"
BEFORE, AFTER = "before", "after"


class Deadly:
    """The engine's file, and a process that ends at one step. Every method with a `step` can be hooked like this."""

    def __init__(self, storage: DurableStorage, at: Step | None, moment: str, number: int) -> None:
        self._storage = storage
        self._at = at
        self._moment = moment
        self._number = number

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._storage, name)
        return self._hooked(method) if name in HOOKED else method

    def _act(self) -> None:
        self._at = None
        os.kill(os.getpid(), self._number)

    def _hooked(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def hooked(*, step: Step, **arguments: Any) -> Any:
            if (step, BEFORE) == (self._at, self._moment):
                self._act()
            result = await method(step=step, **arguments)
            if (step, AFTER) == (self._at, self._moment):
                self._act()
            return result

        return hooked


HOOKED = frozenset({"start", "raise_event", "terminate", "purge", "finish_episode", "finish_activity"})


def functions(home: Path) -> list[indexing.Function]:
    """One orchestration that takes every kind of step, and a function with a client that brings it on its way."""
    app = df.DFApp()

    @app.activity_trigger(input_name="what")
    async def note(what: str) -> str:
        with (home / CALLS).open("a") as file:
            file.write(what + "\n")
        return what

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        first = yield context.call_activity("note", "first")
        told = yield context.wait_for_external_event("go")
        yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=30))
        second = yield context.call_activity("note", "second")
        return [first, told, second]

    @app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
    @app.durable_client_input(client_name="client")
    async def drive(timer: Any, client: df.DurableOrchestrationClient) -> None:
        """Start it unless it is there, and raise its event unless it ended: what a redelivered message does."""
        status = await client.get_status(ID)
        if not status:
            await client.start_new("run", ID)
        if not status or status.output is None:
            try:
                await client.raise_event(ID, "go", 1)
            except Exception as error:
                if "is gone" not in str(error):
                    raise

    return indexing.index(app.get_functions(), app_settings={})


async def main(home: Path, lock_seconds: float, at: Step | None, moment: str, number: int) -> None:
    opening.use(
        lambda *_: Deadly(  # type: ignore[arg-type,return-value]
            DurableStorage(path=home / FILE, sync=Sync.NORMAL, clock=SystemClock(), lock_seconds=lock_seconds),
            at,
            moment,
            number,
        )
    )
    described = functions(home)
    invocations = Invocations(function_timeout=timedelta(seconds=20))
    service = DurableService(
        functions=described,
        invocations=invocations,
        settings=Settings.from_environ({"PRAXOS_HOME": str(home)}),
        options=DurableTaskOptions(),
        clock=SystemClock(),
    )
    await service.connect()
    service.start()
    (drive,) = [each for each in described if each.name == "drive"]
    await invocations.run(drive, None, interactive=False)
    print("driven", flush=True)
    await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(
        main(
            Path(sys.argv[1]),
            float(sys.argv[2]),
            Step(sys.argv[3]) if len(sys.argv) > 3 else None,
            sys.argv[4] if len(sys.argv) > 4 else "",
            signal.Signals[sys.argv[5]] if len(sys.argv) > 5 else signal.SIGKILL,
        )
    )

"""The engine and a client of it in one process, over an app of the test's own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import pytest

from local import indexing
from local.durable import opening
from local.durable.events import Event
from local.durable.service import DurableService
from local.durable.storage import FILE, DurableStorage
from local.host_json import DurableTaskOptions
from local.indexing import Function, TimerFunction
from local.invocations import Invocations
from shared.clock import SystemClock
from shared.ports import Clock
from shared.settings import Settings, Sync

DEADLINE = 20.0
"""Seconds after which a test gives up on a condition."""
RUNNING = ("Pending", "Running")


async def until(condition: Callable[[], object], what: str = "the condition") -> None:
    """Return when the condition holds. Fails when it does not in time."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"{what} did not come true"
        await asyncio.sleep(0.002)


def new_storage(home: Path, *, lock_seconds: float = 30.0, clock: Clock | None = None) -> DurableStorage:
    """One more object on the file, as another process would have it."""
    return DurableStorage(path=home / FILE, sync=Sync.NORMAL, clock=clock or SystemClock(), lock_seconds=lock_seconds)


@dataclass
class Durable:
    """One process's worth of Durable Functions."""

    service: DurableService
    client: df.DurableOrchestrationClient
    storage: DurableStorage
    """A look at the file from beside."""
    url: str
    invocations: Invocations
    functions: list[Function]

    async def end(self, id: str) -> df.DurableOrchestrationStatus:
        """Wait until an instance ended; return its status as the client shows it."""
        await until(lambda: (at := self.storage.instance(id=id)) and at.status.final, f"the end of {id}")
        return await self.client.get_status(id)

    async def output(self, id: str) -> Any:
        """Wait until an instance completed; return its output."""
        status = await self.end(id)
        assert status.runtime_status is df.OrchestrationRuntimeStatus.Completed, status.output
        return status.output

    async def history(self, id: str, *, at_least: int) -> list[Event]:
        """Wait until so many events lie in an instance's history."""
        await until(lambda: len(self.storage.history(id=id)) >= at_least, f"{at_least} events of {id}")
        return self.storage.history(id=id)

    def orchestrator(self, name: str) -> Callable[[Any], str]:
        """What the decorator made of an orchestrator."""
        return self.raw[name]

    raw: dict[str, Any]


class SlowActivity:
    """An app whose orchestration `run` calls one activity that takes until `gate` opens."""

    def __init__(self) -> None:
        self.app = df.DFApp()
        self.calls: list[str] = []
        self.gate = asyncio.Event()

        @self.app.activity_trigger(input_name="what")
        async def slow(what: str) -> str:
            self.calls.append(what)
            await self.gate.wait()
            return what

        @self.app.orchestration_trigger(context_name="context")
        def run(context: df.DurableOrchestrationContext):
            return (yield context.call_activity("slow", "it"))


Open = Callable[..., Awaitable[Durable]]


async def _nothing(**_: object) -> None: ...


@pytest.fixture
def lock_seconds() -> float:
    """How long locks last; a test's module may say otherwise."""
    return 30.0


@pytest.fixture(autouse=True)
def _short_locks(lock_seconds: float) -> Iterator[None]:
    opening.use(lambda settings, _: new_storage(settings.home, lock_seconds=lock_seconds))
    yield
    opening.use(opening.real)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Open]:
    """Starts the engine over an app; `engine=False` makes a process that has clients only."""
    opened: list[Durable] = []

    async def one(app: df.DFApp, *, engine: bool = True) -> Durable:
        described = app.get_functions()
        functions = indexing.index(described, app_settings={}) if engine else []
        functions.append(TimerFunction("client", _nothing, "timer", "0 0 0 1 1 *", False, False, client="client"))
        invocations = Invocations(function_timeout=timedelta(seconds=20))
        service = DurableService(
            functions=functions,
            invocations=invocations,
            settings=Settings.from_environ({"PRAXOS_HOME": str(tmp_path)}),
            options=DurableTaskOptions(),
            clock=SystemClock(),
        )
        await service.connect()
        service.start()
        client = df.DurableOrchestrationClient(invocations.durable_client)
        url = client._orchestration_bindings.rpc_base_url
        raw = {each.get_function_name(): each.get_user_function() for each in described}
        opened.append(Durable(service, client, new_storage(tmp_path), url, invocations, functions, raw=raw))
        return opened[-1]

    yield one
    for each in opened:
        await each.service.stop(seconds=1)
        await each.service.close()
        await each.storage.close()

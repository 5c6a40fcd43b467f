"""The app's own orchestrator on the engine: bells wake it whenever they come, and none makes it deaf to the next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import azure.durable_functions as df
import pytest

from functions import runs
from shared import app as composition
from shared.pipeline.run import Reference
from shared.pipeline.segments import Do, Next
from tests.unit.local.durable.conftest import Durable, Open, until

REFERENCE = Reference(tenant="main", conversation="c", run="r").model_dump_json()
LONG = timedelta(minutes=10)
SOON = timedelta(milliseconds=50)


class Looks:
    """What the activity does: each look is let go, and says how long to wait."""

    def __init__(self) -> None:
        self.begun = 0
        self.waits: list[timedelta] = []
        self._let_go = asyncio.Semaphore(0)

    async def step(self, reference: Reference) -> Next:
        self.begun += 1
        await self._let_go.acquire()
        if not self.waits:
            return Next(do=Do.END)
        return Next(do=Do.WAIT, until=datetime.now(UTC) + self.waits.pop(0))

    def let_go(self) -> None:
        self._let_go.release()

    async def at(self, look: int) -> None:
        """Wait until so many looks were begun."""
        await until(lambda: self.begun >= look, f"look {look}")


@pytest.fixture
async def looks() -> AsyncIterator[Looks]:
    made = Looks()
    composition.use(SimpleNamespace(runs=made))  # type: ignore[arg-type]  # all that the activity asks for
    yield made
    composition.use(None)


async def begin(start: Open) -> Durable:
    app = df.DFApp()
    app.register_functions(runs.blueprint)
    durable = await start(app)
    await durable.client.start_new(runs.ORCHESTRATION, "r", REFERENCE)
    return durable


async def bell(durable: Durable) -> None:
    await durable.client.raise_event("r", runs.BELL, None)


async def test_a_bell_that_came_while_it_looked_does_not_make_it_deaf_to_its_timer(start: Open, looks: Looks) -> None:
    """The library hands such a bell to every later wait, the engine to one: then nobody would wait for the timer."""
    looks.waits = [LONG, SOON]
    durable = await begin(start)
    await looks.at(1)
    await bell(durable)
    looks.let_go()
    await looks.at(2)
    looks.let_go()
    await looks.at(3)
    looks.let_go()
    await durable.end("r")


async def test_a_bell_that_comes_while_it_looks_again_after_a_timer_is_heard(start: Open, looks: Looks) -> None:
    """The wait that the timer ended must not take it."""
    looks.waits = [SOON, LONG]
    durable = await begin(start)
    await looks.at(1)
    looks.let_go()
    await looks.at(2)
    await bell(durable)
    looks.let_go()
    await looks.at(3)
    looks.let_go()
    await durable.end("r")

"""What many waiting instances cost, and how soon one of them wakes."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

import azure.durable_functions as df

from local.durable.events import Event, seconds
from local.durable.storage import DurableStorage
from shared.steps import Step
from tests.unit.local.durable.conftest import Open, new_storage, until

MANY = 1000


def waiting_app() -> df.DFApp:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        late = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        bell = context.wait_for_external_event("bell")
        winner = yield context.task_any([bell, late])
        return winner is bell

    return app


def resident_bytes() -> int:
    """What the process holds in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_a_thousand_waiting_instances_cost_next_to_nothing(start: Open, tmp_path: Path) -> None:
    durable = await start(waiting_app())
    await durable.client.start_new("run", "first")
    await durable.history("first", at_least=4)
    gc.collect()
    before = resident_bytes()

    for group in range(MANY // 100):
        await asyncio.gather(
            *(
                durable.service._storage.start(step=Step.DURABLE_START, name="run", id=f"{group}-{n}")
                for n in range(100)
            )
        )
    await until(
        lambda: all(len(durable.storage.history(id=f"{MANY // 100 - 1}-{n}")) == 4 for n in range(100)), "all to wait"
    )
    gc.collect()
    each = (resident_bytes() - before) / MANY
    assert each < 20_000

    cpu, began = time.process_time(), time.monotonic()
    await asyncio.sleep(3)  # what is measured is what happens in this time
    share = (time.process_time() - cpu) / (time.monotonic() - began)
    print(f"idle: {share:.2%} of a core, {each:.0f} bytes each")
    assert share < 0.01

    began = time.monotonic()
    await durable.client.raise_event("5-50", "bell")
    assert await durable.output("5-50") is True
    print(f"acted on after {(time.monotonic() - began) * 1000:.1f} ms")
    assert time.monotonic() - began < 0.5


def _taken(storage: DurableStorage, id: str) -> bool:
    return any(event["EventType"] == 15 for event in storage.history(id=id))


def _ring(home: str, ids: Sequence[str]) -> None:
    """In a process of its own: raise events, and hold nothing."""

    async def ring() -> None:
        storage = new_storage(Path(home))
        for id in ids:
            await storage.raise_event(step=Step.DURABLE_EVENT, id=id, name="bell", data='"x"')
            await until(partial(_taken, storage, id), "its taking")
        await storage.close()

    asyncio.run(ring())


async def test_an_event_of_another_process_wakes_the_engine_at_once(start: Open, tmp_path: Path) -> None:
    durable = await start(waiting_app())
    ids = [await durable.client.start_new("run", f"rung-{number}") for number in range(4)]
    for id in ids:
        await durable.history(id, at_least=4)
    process = multiprocessing.get_context("spawn").Process(target=_ring, args=(str(tmp_path), ids))
    process.start()
    for id in ids:
        assert await durable.output(id) is True
    await asyncio.to_thread(process.join, 20)

    waits = sorted(_wait(durable.storage.history(id=id)) for id in ids)
    assert waits[1] < 0.3, f"found by the slow poll, not by a wake-up: {waits}"


def _wait(history: list[Event]) -> float:
    """How long the event lay there until an episode took it."""
    (raised,) = [seconds(event["Timestamp"]) for event in history if event["EventType"] == 15]
    taken = [seconds(event["Timestamp"]) for event in history if event["EventType"] == 12][-1]
    return taken - raised

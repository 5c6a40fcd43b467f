"""What the engine of a deployment wrote down, replayed against the code."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from functions import runs
from local.durable.storage import FILE, DurableStorage
from shared.clock import SystemClock
from shared.settings import Sync
from tests.fakes import histories
from tests.fakes.histories import Orchestrator


def orchestrator() -> Orchestrator:
    """The orchestrator of runs as the worker calls it."""
    made: Orchestrator = runs.run._function.get_user_function()
    return made


def instances(home: Path) -> list[str]:
    """The ids of all instances in a data folder."""
    connection = sqlite3.connect(f"file:{home / FILE}?mode=ro", uri=True)
    try:
        return [id for (id,) in connection.execute("SELECT id FROM instances ORDER BY number")]
    finally:
        connection.close()


async def check_replays(home: Path) -> int:
    """Replay the present execution of every instance, which has to fit what the engine recorded; return how many."""
    storage = DurableStorage(path=home / FILE, sync=Sync.NORMAL, clock=SystemClock())
    try:
        found = instances(home)
        for id in found:
            dumped = histories.dump(storage, id=id)
            if dumped["history"]:  # empty between two executions
                recording = histories.record(dumped, orchestrator())
                assert histories.differences(recording, orchestrator()) == [], recording
        return len(found)
    finally:
        await storage.close()

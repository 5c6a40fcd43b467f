"""A run of ten thousand steps: what a step costs at its end, next to what one cost at its beginning."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.processes import folder
from benchmarks.report import Figure, at_most

STEPS = 10_000
WINDOW = 500
"""Steps from one mark to the next."""
SPAN = 3
"""Windows over which time and bytes are taken, from step 500 on and up to the last: a file grows by whole pages."""
WRITES_EVERY = 10
FILES = ("store.db", "checkpoints.db", "memory.db")


@dataclass(frozen=True, slots=True)
class _Mark:
    at: float
    size: int


async def measure(rounds: int) -> list[Figure]:
    """The whole pipeline in this process with a model that calls a tool in each answer, once."""
    del rounds  # it takes a minute, and its two windows stand side by side
    async with folder() as home:
        marks = await _run(home)
    early, late = (marks[1 + SPAN], marks[1]), (marks[-1], marks[-1 - SPAN])
    steps = SPAN * WINDOW
    return [
        Figure(
            name=f"a step's time after {STEPS:,}",
            unit="ms",
            ours=((late[0].at - late[1].at) / steps * 1000,),
            peer=((early[0].at - early[1].at) / steps * 1000,),
            peer_name=f"after {WINDOW}",
            target=at_most(1.2),
        ),
        Figure(
            name=f"a step's bytes after {STEPS:,}",
            unit="bytes",
            ours=((late[0].size - late[1].size) / steps,),
            peer=((early[0].size - early[1].size) / steps,),
            peer_name=f"after {WINDOW}",
            target=at_most(1.2),
        ),
    ]


async def _run(home: Path) -> list[_Mark]:
    from benchmarks.long_model import Provider, StepModel
    from shared.agent.models import Models
    from shared.app import App
    from shared.messages import EventKind, InboundEvent, Sender
    from tests.fakes.channel import FakeChannel
    from tests.fakes.orchestrations import FakeOrchestrations

    marks = [_Mark(time.perf_counter(), 0)]

    def passed(step: int) -> None:
        if step % WINDOW == 0:
            marks.append(_Mark(time.perf_counter(), _size(home)))

    app = App(
        environ={
            "PRAXOS_HOME": str(home),
            "PRAXOS_RUN_MODEL_CALLS": str(STEPS * 2),
            "PRAXOS_RUN_TOKENS": "1000000000",
            "PRAXOS_SEGMENT_SECONDS": "20",
            "PRAXOS_TURN_SECONDS": "5",
        }
    )
    channel, orchestrations = FakeChannel(), FakeOrchestrations()
    app._channels["fake"] = channel
    app.orchestrations = orchestrations
    model = StepModel(steps=STEPS, writes_every=WRITES_EVERY, passed=passed)
    app.models = Models(parts=app.parts, build=lambda *_: lambda __: Provider(model))
    event = InboundEvent(
        id="main:fake:bot:1",
        tenant="main",
        channel="fake",
        account="bot",
        chat="chat",
        kind=EventKind.MESSAGE,
        sender=Sender(external_id="person"),
        text="work for long",
        received_at=datetime.now(UTC),
    )
    try:
        await app.intake.enter(event)
        bell = (await app.broker.receive(queue="turns", limit=1))[0]
        from shared.messages import Bell

        await app.turns.answer(Bell.model_validate_json(bell.body))
        while await orchestrations.look(app.runs):
            pass
    finally:
        await app.close()
    if model.step < STEPS:
        raise RuntimeError(f"the run ended after {model.step} steps")
    return marks


def _size(home: Path) -> int:
    """The bytes that are in use in the files of the run, free pages apart."""
    total = 0
    for name in FILES:
        if (home / name).exists():
            with closing(sqlite3.connect(home / name)) as connection:
                pages, free, size = (
                    connection.execute(f"PRAGMA {what}").fetchone()[0]
                    for what in ("page_count", "freelist_count", "page_size")
                )
                total += (pages - free) * size
    return total

"""Records what orchestrations of runs go through, as the data under `histories/` that every later version has to replay.

    python -m tests.pipeline.recorder [NAME …]

writes all courses, or those that are named, again; it takes a minute. An instance that waits goes on under the code that
is deployed meanwhile, so a change of the orchestrator that `tests/functions/test_histories.py` finds breaks running ones.
To change it on purpose, let the old orchestrator stay under its name beside a new one under a new name, which new runs
are started with. Record the new one here in a folder of its own. What was recorded before stays, and is replayed against
the old one, until no instance of that can run any more: after the longest question and run that the settings allow.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from local.durable import opening
from local.durable.records import Episode, Outcome
from local.durable.storage import FILE, DurableStorage
from shared.ports import Clock
from shared.settings import Settings
from shared.steps import Step
from tests.fakes import histories
from tests.fakes.histories import Recording
from tests.fakes.telegram import FakeTelegram
from tests.pipeline.deployment import Deployment, until
from tests.pipeline.orchestrations import orchestrator

HISTORIES = Path(__file__).parent / "histories"
EXECUTIONS = "PRAXOS_TEST_EXECUTIONS"
"""Where the recorded host writes its executions: a folder."""
SETTINGS = {
    "PRAXOS_TURN_SECONDS": "3",
    "PRAXOS_SEGMENT_SECONDS": "0.5",
    "PRAXOS_QUESTION_HOURS": "0.003",
}


class RecordedStorage(DurableStorage):
    """Keeps each execution of each instance: the engine forgets one that continued as new."""

    folder: Path

    async def finish_episode(self, *, step: Step, episode: Episode, outcome: Outcome) -> None:
        await super().finish_episode(step=step, episode=episode, outcome=outcome)
        history = [*episode.history, *outcome.events]
        started = next(event for event in history if event["EventType"] == 0)
        kept = {
            "id": episode.instance.id,
            "name": episode.instance.name,
            "input": episode.instance.input,
            "history": history,
        }
        place = f"{episode.instance.number}-{started['Timestamp']}".replace(":", "")
        (self.folder / f"{place}.json").write_text(json.dumps(kept))


def serve() -> int:
    """The host of `python -m local up`, recorded."""

    def recorded(settings: Settings, clock: Clock) -> DurableStorage:
        made = RecordedStorage(path=settings.home / FILE, sync=settings.sync, clock=clock)
        made.folder = Path(os.environ[EXECUTIONS])
        return made

    opening.use(recorded)
    from local.__main__ import main as local_main

    return local_main(["up"])


async def record(names: Sequence[str]) -> None:
    """Let people do what is to be recorded, and write it down."""
    with tempfile.TemporaryDirectory() as folder:
        home, executions = Path(folder), Path(folder) / "executions"
        executions.mkdir()
        async with FakeTelegram() as telegram:
            deployment = Deployment(home, telegram)
            serving = ("tests.pipeline.recorder", "--serve")
            await deployment.start(program=serving, **SETTINGS, **{EXECUTIONS: str(executions)})
            try:
                await asyncio.gather(*(COURSES[name](deployment, chat) for chat, name in enumerate(COURSES, 50)))
            finally:
                await deployment.end()
        kept = [json.loads(path.read_text()) for path in executions.iterdir()]
        for chat, name in enumerate(COURSES, 50):
            runs = {document["event"] for document in deployment.documents("run", chat=chat)}
            found = [one for one in kept if _run(one) in runs]
            assert found, f"{name} was not recorded"
            if not names or name in names:
                found.sort(key=lambda one: str(one["history"][0]["Timestamp"]))
                _write(name, [histories.record(one, orchestrator()) for one in found])


def _write(name: str, executions: Sequence[Recording]) -> None:
    """A line for each event and for what the code said in each episode."""
    HISTORIES.mkdir(exist_ok=True)
    (HISTORIES / f"{name}.json").write_text("[" + ",\n".join(_lines(one) for one in executions) + "]\n")


def _lines(execution: Recording) -> str:
    parts = []
    for key, value in execution.items():
        if isinstance(value, list):
            lines = ",\n".join(f"  {json.dumps(one, ensure_ascii=False)}" for one in value)
            parts.append(f'"{key}": [\n{lines}\n]')
        else:
            parts.append(f'"{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(parts) + "\n}"


def _run(kept: Recording) -> str:
    """The event of the run that an instance is about: its input is JSON in JSON."""
    found = kept["input"]
    while isinstance(found, str):
        found = json.loads(found)
    return str(found["run"])


# --- what people do -------------------------------------------------------------------------------------------


async def _several_segments(deployment: Deployment, chat: int) -> None:
    await deployment.say("count to 6 slowly", chat=chat)
    await deployment.heard("Counted to 6.", chat=chat)
    await _ended(deployment, chat)


async def _answered(deployment: Deployment, chat: int) -> None:
    await deployment.say("forget everything", chat=chat)
    approve = await deployment.button("Approve", chat=chat)
    await _waits(deployment, chat)
    await deployment.press(approve, chat=chat)
    await _ended(deployment, chat)


async def _expired(deployment: Deployment, chat: int) -> None:
    await deployment.say("forget everything", chat=chat)
    await deployment.heard("Nobody answered in time.", chat=chat)
    await _ended(deployment, chat)


async def _stopped(deployment: Deployment, chat: int) -> None:
    await deployment.say("count to 60 slowly", chat=chat)
    await until(
        lambda: any(run["owner"] == "durable" for run in deployment.documents("run", chat=chat)),
        what=lambda: "it is handed over",
    )
    await deployment.say("/stop", chat=chat)
    await deployment.heard("Stopped", chat=chat)
    await _ended(deployment, chat)


async def _lease_was_busy(deployment: Deployment, chat: int) -> None:
    """The answer comes while a turn of the conversation works."""
    await deployment.say("forget everything", chat=chat)
    approve = await deployment.button("Approve", chat=chat)
    await _waits(deployment, chat)
    await deployment.say("count to 2 slowly", chat=chat)
    await until(lambda: len(deployment.documents("run", chat=chat)) == 2, what=lambda: "a turn works")
    await deployment.press(approve, chat=chat)
    await deployment.heard("Counted to 2.", chat=chat)
    await _ended(deployment, chat)


async def _continued_as_new(deployment: Deployment, chat: int) -> None:
    await deployment.say("count to 36 slowly", chat=chat)
    await deployment.heard("Counted to 36.", chat=chat)
    await _ended(deployment, chat)


async def _waits(deployment: Deployment, chat: int) -> None:
    """Wait until the orchestration of a chat's only run waits."""

    def waits() -> bool:
        [run] = deployment.documents("run", chat=chat)
        connection = sqlite3.connect(f"file:{deployment.home / FILE}?mode=ro", uri=True)
        try:
            ids = [f"%{run['event']}"]
            statement = (
                "SELECT count(*) FROM inbox JOIN instances ON instance = instances.number WHERE timer AND id LIKE ?"
            )
            return bool(connection.execute(statement, ids).fetchone()[0])
        finally:
            connection.close()

    await until(waits, what=lambda: "it waits")


async def _ended(deployment: Deployment, chat: int) -> None:
    """Wait until the runs of a chat have ended, and the orchestrations with them."""
    ended = ("finished", "stopped")
    await until(
        lambda: all(run["state"] in ended for run in deployment.documents("run", chat=chat)),
        what=lambda: f"the end of {deployment.documents('run', chat=chat)}",
    )


COURSES = {
    "several_segments": _several_segments,
    "question_answered": _answered,
    "question_expired": _expired,
    "stopped": _stopped,
    "lease_was_busy": _lease_was_busy,
    "continued_as_new": _continued_as_new,
}

if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        sys.exit(serve())
    asyncio.run(record(sys.argv[1:]))

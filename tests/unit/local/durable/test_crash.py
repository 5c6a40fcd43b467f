"""Killed, frozen, too late: what was written stays, what was not is done again, and what comes late counts for nothing."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from local.durable import events
from local.durable.records import Outcome, Status
from local.durable.storage import ACTIVITIES, DurableStorage
from shared.messages import Conflict
from shared.steps import Step
from tests.fakes.clock import ManualClock
from tests.unit.local.durable import worker
from tests.unit.local.durable.conftest import Open, SlowActivity, new_storage, until

ROOT = Path(__file__).resolve().parents[4]
Process = asyncio.subprocess.Process


class Workers:
    """The processes of a test."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._processes: list[Process] = []

    async def start(self, *at: str, lock_seconds: float = 30.0) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "ignore", "-m", worker.__name__, str(self._home), str(lock_seconds), *at,
            cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._processes.append(process)
        return process

    async def close(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.kill()
            await process.communicate()


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[Workers]:
    workers = Workers(tmp_path)
    yield workers
    await workers.close()


@pytest.fixture
async def beside(tmp_path: Path) -> AsyncIterator[Callable[..., DurableStorage]]:
    """Opens the file once more; none of these is closed before the test ends."""
    opened: list[DurableStorage] = []

    def one(**options: Any) -> DurableStorage:
        opened.append(new_storage(tmp_path, **options))
        return opened[-1]

    yield one
    for each in opened:
        await each.close()


LOCK = 3.0
"""Seconds: longer than a busy machine forgets a process that is to renew its locks."""
STEPS = [Step.DURABLE_START, Step.DURABLE_EVENT, Step.DURABLE_EPISODE, Step.DURABLE_ACTIVITY]


@pytest.mark.parametrize("moment", [worker.BEFORE, worker.AFTER])
@pytest.mark.parametrize("step", STEPS)
async def test_a_process_killed_at_any_step_loses_nothing(
    workers: Workers, tmp_path: Path, step: Step, moment: str, beside: Callable[..., DurableStorage]
) -> None:
    killed = await workers.start(step, moment)
    assert await asyncio.wait_for(killed.wait(), 20) == -signal.SIGKILL
    began = time.monotonic()
    storage = beside()

    await workers.start()

    def completed() -> bool:
        found = storage.instance(id=worker.ID)
        return bool(found and found.status is Status.COMPLETED)

    await until(completed, "the end of what was killed")
    found = storage.instance(id=worker.ID)
    assert found
    assert found.output == '["first", "1", "second"]'
    assert time.monotonic() - began < 10, "the locks of a process that is gone are free at once, not after 30 s"
    calls = (tmp_path / worker.CALLS).read_text().split()
    assert set(calls) == {"first", "second"}
    lost_one = step is Step.DURABLE_ACTIVITY and moment == worker.BEFORE
    assert len(calls) == 3 if lost_one else len(calls) == 2, "at least once, and not for nothing"


@pytest.mark.parametrize("step", [Step.DURABLE_EPISODE, Step.DURABLE_ACTIVITY])
async def test_what_a_frozen_process_holds_is_taken_over_in_time(
    workers: Workers, tmp_path: Path, beside: Callable[..., DurableStorage], step: Step
) -> None:
    frozen = await workers.start(step, worker.BEFORE, "SIGSTOP", lock_seconds=LOCK)
    stat = Path(f"/proc/{frozen.pid}/stat")
    await until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "its freezing")
    storage = beside()

    await workers.start(lock_seconds=LOCK)

    def completed() -> bool:
        found = storage.instance(id=worker.ID)
        return bool(found and found.status is Status.COMPLETED)

    await until(completed, "the end of what froze")
    history = storage.history(id=worker.ID)
    frozen.send_signal(signal.SIGCONT)
    assert frozen.stdout
    assert await asyncio.wait_for(frozen.stdout.readline(), 20), "it went on"
    assert storage.history(id=worker.ID) == history, "what it wrote late counts for nothing"
    calls = (tmp_path / worker.CALLS).read_text().split()
    assert len(calls) == (3 if step is Step.DURABLE_ACTIVITY else 2)


async def scheduled(storage: DurableStorage, id: str = "one") -> None:
    """Bring an instance to where an activity of it is to run."""
    from local.durable.planner import NewTask

    await storage.start(step=Step.DURABLE_START, name="run", id=id)
    episode = await storage.next_episode()
    assert episode
    task = NewTask(0, "note", None)
    outcome = Outcome(events=[events.task_scheduled(1, number=0, name="note", input=None)], tasks=[task])
    await storage.finish_episode(step=Step.DURABLE_EPISODE, episode=episode, outcome=outcome)


async def test_a_late_holders_activity_counts_for_nothing(beside: Callable[..., DurableStorage]) -> None:
    clock = ManualClock()
    late, prompt = (beside(lock_seconds=LOCK, clock=clock) for _ in range(2))
    await scheduled(late)
    first = await late.next_activity()
    assert first
    assert await prompt.next_activity() is None, "it is locked"
    clock.pass_(seconds=LOCK)
    second = await prompt.next_activity()
    assert second

    with pytest.raises(Conflict, match="counts for nothing"):
        await late.finish_activity(
            step=Step.DURABLE_ACTIVITY, activity=first, result=events.task_completed(1, number=0, result='"late"')
        )
    await prompt.finish_activity(
        step=Step.DURABLE_ACTIVITY, activity=second, result=events.task_completed(1, number=0, result='"prompt"')
    )
    episode = await late.next_episode()
    assert episode
    assert [message["Result"] for message in episode.messages] == ['"prompt"']


async def test_a_late_holders_episode_counts_for_nothing(beside: Callable[..., DurableStorage]) -> None:
    clock = ManualClock()
    late, prompt = (beside(lock_seconds=LOCK, clock=clock) for _ in range(2))
    await late.start(step=Step.DURABLE_START, name="run", id="one")
    first = await late.next_episode()
    assert first
    assert await prompt.next_episode() is None, "it is locked"
    clock.pass_(seconds=LOCK)
    assert await prompt.next_episode()

    done = Outcome(events=[], status=Status.COMPLETED, output='"late"')
    with pytest.raises(Conflict, match="counts for nothing"):
        await late.finish_episode(step=Step.DURABLE_EPISODE, episode=first, outcome=done)
    found = prompt.instance(id="one")
    assert found
    assert found.status is Status.PENDING


async def test_an_expired_lock_that_nobody_took_is_lost_too(beside: Callable[..., DurableStorage]) -> None:
    clock = ManualClock()
    late = beside(lock_seconds=LOCK, clock=clock)
    await scheduled(late)
    activity = await late.next_activity()
    assert activity
    clock.pass_(seconds=LOCK)

    await late.renew(locks=[activity.lock])
    with pytest.raises(Conflict):
        await late.finish_activity(
            step=Step.DURABLE_ACTIVITY, activity=activity, result=events.task_completed(1, number=0, result=None)
        )


async def test_a_renewed_lock_is_kept(beside: Callable[..., DurableStorage]) -> None:
    clock = ManualClock()
    storage, other = (beside(lock_seconds=LOCK, clock=clock) for _ in range(2))
    await scheduled(storage)
    activity = await storage.next_activity()
    assert activity
    for _ in range(4):
        clock.pass_(seconds=LOCK * 0.9)
        await storage.renew(locks=[activity.lock])
        assert await other.next_activity() is None
    await storage.finish_activity(
        step=Step.DURABLE_ACTIVITY, activity=activity, result=events.task_completed(1, number=0, result=None)
    )


async def test_the_result_for_an_instance_that_was_replaced_counts_for_nothing(
    beside: Callable[..., DurableStorage],
) -> None:
    storage = beside()
    await scheduled(storage)
    activity = await storage.next_activity()
    assert activity
    await storage.terminate(step=Step.DURABLE_EVENT, id="one", reason=None)
    episode = await storage.next_episode()
    assert episode
    ended = Outcome(events=[], status=Status.TERMINATED)
    await storage.finish_episode(step=Step.DURABLE_EPISODE, episode=episode, outcome=ended)
    await storage.start(step=Step.DURABLE_START, name="run", id="one")

    with pytest.raises(Conflict):
        await storage.finish_activity(
            step=Step.DURABLE_ACTIVITY, activity=activity, result=events.task_completed(1, number=0, result=None)
        )


@pytest.mark.parametrize("lock_seconds", [LOCK])
async def test_a_long_activity_keeps_its_lock(start: Open, beside: Callable[..., DurableStorage]) -> None:
    slow = SlowActivity()
    durable = await start(slow.app)
    id = await durable.client.start_new("run")
    await until(lambda: slow.calls)
    thief = beside()
    end = time.monotonic() + 1.5 * LOCK
    while time.monotonic() < end:
        assert await thief.next_activity() is None
        await thief.wait(kind=ACTIVITIES, timeout=0.05)
    slow.gate.set()

    assert await durable.output(id) == "it"
    assert slow.calls == ["it"]

"""Timer functions on the embedded host."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import azure.functions as func
import pytest

from local.indexing import TimerFunction
from local.invocations import Invocations
from local.timer_state import TimerState
from local.timers import Schedule, TimerPump
from shared.messages import SettingError
from shared.settings import Sync
from tests.fakes.clock import START, ManualClock
from tests.unit.local.conftest import Start, until


class Runs:
    """A timer's function that records its runs."""

    def __init__(self) -> None:
        self.requests: list[func.TimerRequest] = []
        self.running = self.most = 0
        self.go = asyncio.Event()
        self.go.set()
        self.error: Exception | None = None

    async def __call__(self, timer: func.TimerRequest) -> None:
        self.requests.append(timer)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.go.wait()
            if self.error:
                raise self.error
        finally:
            self.running -= 1


def timer(
    runs: Runs, schedule: str = "*/10 * * * * *", *, at_start: bool = False, monitored: bool = True
) -> TimerFunction:
    return TimerFunction("sweeper", runs, "timer", schedule, at_start, monitored)


class Process:
    """What one process has: its own state file handle and pump."""

    def __init__(self, home: Path, function: TimerFunction, clock: ManualClock) -> None:
        self.state = TimerState(home, sync=Sync.NORMAL)
        invocations = Invocations(function_timeout=timedelta(seconds=60))
        self.pump = TimerPump(function=function, state=self.state, invocations=invocations, clock=clock)
        self.pump.start()

    async def stop(self) -> None:
        await self.pump.stop(seconds=5)
        await self.state.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands still until a test moves it, so the pumps look at it often."""
    monkeypatch.setattr("local.timers.LOOK_SECONDS", 0.005)
    monkeypatch.setattr("local.timers.BUSY_SECONDS", 0.005)


async def quiet() -> None:
    """Let the pumps look a few times."""
    for _ in range(10):
        await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("*/15 * * * * *", "12:00:07.5", "12:00:15"),
        ("*/15 * * * * *", "12:00:15", "12:00:30"),
        ("0 */5 * * * *", "12:00:01", "12:05:00"),
        ("30 0 13 * * 0-6", "12:00:00", "13:00:30"),
        ("*/5 * * * *", "12:00:01", "12:05:00"),
    ],
)
def test_an_expression_has_six_fields_with_the_seconds_first(schedule: str, after: str, expected: str) -> None:
    def time_of_day(text: str) -> datetime:
        return datetime.fromisoformat(f"2026-03-01T{text}").replace(tzinfo=UTC)

    assert Schedule(timer(Runs(), schedule)).after(time_of_day(after)) == time_of_day(expected)


@pytest.mark.parametrize("schedule", ["", "* * *", "99 * * * * *", "00:05:00", "0 0 0 31 2 *", "0 0 0 1 * 1"])
def test_what_is_no_expression_is_refused_by_the_functions_name(schedule: str) -> None:
    with pytest.raises(SettingError, match="sweeper"):
        Schedule(timer(Runs(), schedule))


async def test_it_runs_when_it_is_due_and_again(tmp_path: Path, clock: ManualClock) -> None:
    runs = Runs()
    process = Process(tmp_path, timer(runs), clock)
    await quiet()
    assert not runs.requests
    for number in (1, 2, 3):
        clock.pass_(seconds=10)
        await until(lambda number=number: len(runs.requests) == number)
    assert [request.past_due for request in runs.requests] == [False] * 3
    assert runs.requests[2].schedule_status["Last"] == (START + timedelta(seconds=20)).isoformat()
    assert runs.requests[2].schedule_status["Next"] == (START + timedelta(seconds=40)).isoformat()
    await process.stop()


async def test_runs_do_not_overlap_and_what_was_missed_meanwhile_is_not_made_up_for(
    tmp_path: Path, clock: ManualClock
) -> None:
    runs = Runs()
    process = Process(tmp_path, timer(runs), clock)
    await quiet()
    runs.go.clear()
    clock.pass_(seconds=10)
    await until(lambda: runs.running)
    clock.pass_(seconds=35)
    await quiet()
    assert runs.most == 1
    runs.go.set()
    await until(lambda: not runs.running)
    await quiet()
    assert len(runs.requests) == 1
    clock.pass_(seconds=5)
    await until(lambda: len(runs.requests) == 2)
    await process.stop()


async def test_of_two_processes_one_runs_it(tmp_path: Path, clock: ManualClock) -> None:
    runs = Runs()
    function = timer(runs)
    processes = [Process(tmp_path, function, clock), Process(tmp_path, function, clock)]
    await quiet()
    for number in range(1, 6):
        clock.pass_(seconds=10)
        await until(lambda number=number: len(runs.requests) == number)
        await quiet()
        assert len(runs.requests) == number
    runs.go.clear()
    clock.pass_(seconds=10)
    await until(lambda: runs.running)
    clock.pass_(seconds=10)
    await quiet()
    assert runs.most == 1
    runs.go.set()
    for process in processes:
        await process.stop()


async def test_a_run_of_a_process_that_died_does_not_block_the_timer(tmp_path: Path, clock: ManualClock) -> None:
    runs = Runs()
    state = TimerState(tmp_path, sync=Sync.NORMAL)
    await state.begin("sweeper", schedule="*/10 * * * * *", due=START.timestamp())
    state._process = state._process.rpartition("/")[0] + "/1"  # this process, had it been started at another time
    assert await state.claim("sweeper", row=state.read("sweeper"))
    await state.close()
    clock.pass_(seconds=1)
    process = Process(tmp_path, timer(runs), clock)
    await until(lambda: runs.requests)
    await process.stop()


@pytest.mark.parametrize("monitored", [True, False])
async def test_what_was_missed_while_nothing_ran_is_past_due(
    tmp_path: Path, clock: ManualClock, monitored: bool
) -> None:
    runs = Runs()
    function = timer(runs, monitored=monitored)
    process = Process(tmp_path, function, clock)
    await quiet()
    await process.stop()
    clock.pass_(seconds=3605)
    process = Process(tmp_path, function, clock)
    if monitored:
        await until(lambda: runs.requests)
        assert runs.requests[0].past_due
        await quiet()
        assert len(runs.requests) == 1, "once, however much was missed"
    else:
        await quiet()
        assert not runs.requests
        clock.pass_(seconds=5)
        await until(lambda: runs.requests)
        assert not runs.requests[0].past_due
    await process.stop()


async def test_one_that_runs_at_the_start_does(tmp_path: Path, clock: ManualClock) -> None:
    runs = Runs()
    process = Process(tmp_path, timer(runs, at_start=True), clock)
    await until(lambda: runs.requests)
    await process.stop()


async def test_another_schedule_counts_from_now(tmp_path: Path, clock: ManualClock) -> None:
    runs = Runs()
    process = Process(tmp_path, timer(runs, "0 0 0 1 1 *"), clock)
    await quiet()
    await process.stop()
    process = Process(tmp_path, timer(runs, "*/10 * * * * *"), clock)
    await quiet()
    clock.pass_(seconds=10)
    await until(lambda: runs.requests)
    await process.stop()


async def test_a_run_that_fails_is_followed_by_the_next(tmp_path: Path, clock: ManualClock) -> None:
    runs = Runs()
    runs.error = ValueError("a bug")
    process = Process(tmp_path, timer(runs), clock)
    await quiet()
    for number in (1, 2):
        clock.pass_(seconds=10)
        await until(lambda number=number: len(runs.requests) == number)
    await process.stop()


async def test_the_host_runs_timers(start: Start) -> None:
    app, ran = func.FunctionApp(), asyncio.Event()

    @app.timer_trigger(arg_name="timer", schedule="%EVERY%", use_monitor=False)
    async def sweeper(timer: func.TimerRequest) -> None:
        ran.set()

    await start(app, EVERY="* * * * * *")
    await asyncio.wait_for(ran.wait(), 20)

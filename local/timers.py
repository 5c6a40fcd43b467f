"""Timer triggers: NCRONTAB in UTC, one run of a timer at a time, whatever the number of processes."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime

from azure.functions.timer import TimerRequest
from cronsim import CronSim, CronSimError

from local.indexing import TimerFunction
from local.invocations import Invocations
from local.tasks import settle_tasks
from local.timer_state import TimerRow, TimerState
from shared import telemetry
from shared.messages import SettingError, Transient
from shared.ports import Clock

LOOK_SECONDS = 30.0
"""The longest sleep, since a machine that was suspended comes back with another time."""
BUSY_SECONDS = 0.5
"""How soon to look again while another process runs the timer."""
TROUBLE_SECONDS = 1.0

_log = telemetry.logger("local.timers")


class Schedule:
    """An NCRONTAB expression of six fields, seconds first, or of five."""

    def __init__(self, function: TimerFunction) -> None:
        """Read it. Raises SettingError naming the function where it is no such expression."""
        self._text = function.schedule
        fields = self._text.split()
        # Where both day fields are given, NCRONTAB wants both to match, and cron either.
        if len(fields) > 4 and fields[-3] != "*" and fields[-1] != "*":
            raise SettingError(f"function {function.name}: {self._text!r} names days of the month and of the week")
        try:
            self.after(datetime.now(UTC))
        except (CronSimError, StopIteration) as error:
            raise SettingError(f"function {function.name}: {self._text!r} is no NCRONTAB expression: {error}") from None

    def after(self, moment: datetime) -> datetime:
        """The first time after a moment."""
        return next(CronSim(self._text, moment))

    def latest(self, *, due: datetime, now: datetime) -> datetime:
        """The next time to run after a run that was due at `due`: never one that has passed already."""
        return self.after(max(due, now))


class TimerPump:
    """Runs one timer function."""

    def __init__(self, *, function: TimerFunction, state: TimerState, invocations: Invocations, clock: Clock) -> None:
        self._function = function
        self._schedule = Schedule(function)
        self._state = state
        self._invocations = invocations
        self._clock = clock
        self._running: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to keep the schedule."""
        self._task = asyncio.get_running_loop().create_task(self._run_for_ever())

    async def stop(self, *, seconds: float) -> None:
        """Start no more runs; let one that runs finish for so many seconds, then cancel it."""
        if self._task:
            await settle_tasks({self._task}, seconds=0)
        await settle_tasks(self._running, seconds=seconds)

    async def _run_for_ever(self) -> None:
        begun = self._clock.now()
        for attempt in itertools.count():
            try:
                if attempt == 0:
                    await self._begin(begun)
                await self._run_when_due(begun)
            except Transient as error:
                _log.warning("timer %s waits: %s", self._function.name, error)
                await asyncio.sleep(TROUBLE_SECONDS)
            except Exception:  # noqa: BLE001  a bug must not end a timer
                _log.exception("timer %s failed", self._function.name)
                await asyncio.sleep(TROUBLE_SECONDS)

    async def _begin(self, begun: datetime) -> None:
        due = begun if self._function.at_start else self._schedule.after(begun)
        await self._state.begin(self._function.name, schedule=self._function.schedule, due=due.timestamp())
        row = self._state.read(self._function.name)
        if self._function.at_start or (not self._function.monitored and row.due < begun.timestamp()):
            await self._state.move(self._function.name, due=row.due, to=due.timestamp())

    async def _run_when_due(self, begun: datetime) -> None:
        name = self._function.name
        row = self._state.read(name)
        left = row.due - self._clock.now().timestamp()
        if left > 0:
            await asyncio.sleep(min(left, LOOK_SECONDS))
        elif not await self._state.claim(name, row=row):
            await asyncio.sleep(BUSY_SECONDS)
        else:
            run = asyncio.get_running_loop().create_task(self._run(row, past_due=row.due < begun.timestamp()))
            self._running.add(run)
            run.add_done_callback(self._running.discard)
            await asyncio.shield(run)

    async def _run(self, row: TimerRow, *, past_due: bool) -> None:
        due = datetime.fromtimestamp(row.due, UTC)
        try:
            await self._invocations.run(self._function, self._request(row, past_due), interactive=False)
        except Exception:  # noqa: BLE001  as in Azure, a timer that failed runs again when it is due again
            _log.exception("function %s failed", self._function.name)
        finally:
            now = self._clock.now()
            following = self._schedule.latest(due=due, now=now)
            await self._state.finish(self._function.name, last=now.timestamp(), due=following.timestamp())

    def _request(self, row: TimerRow, past_due: bool) -> TimerRequest:
        now = self._clock.now()
        last = datetime.fromtimestamp(row.last, UTC) if row.last else datetime.min.replace(tzinfo=UTC)
        status = {
            "Last": last.isoformat(),
            "Next": self._schedule.after(now).isoformat(),
            "LastUpdated": last.isoformat(),
        }
        return TimerRequest(past_due=past_due, schedule_status=status, schedule={"AdjustForDST": True})

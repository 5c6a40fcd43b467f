"""A segment of a run under the conversation's lease: the agent's work, and what is recorded of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from shared.agent.turn import Stopped
from shared.messages import LeaseLost, Permanent, StoreUnavailable, Transient
from shared.pipeline.hand_over import HandOver
from shared.pipeline.rooms import Room
from shared.pipeline.run_end import RunEnd
from shared.pipeline.stops import Stops
from shared.pipeline.turn_work import Dropped, Revised, Spoken, TurnWork, Worked
from shared.pipeline.work import Work
from shared.telemetry import Metric, add, span

if TYPE_CHECKING:
    from shared.telemetry.protocols import Span

MOST_STARTS = 10
"""What was begun this often without a recorded step is not begun again."""


class Do(StrEnum):
    """What comes next for a run."""

    AGAIN = "again"
    WAIT = "wait"
    END = "end"


class Next(BaseModel):
    """What comes next for a run; `until`: how long it waits at most, as an aware time."""

    model_config = ConfigDict(frozen=True)

    do: Do
    until: datetime | None = None


class Segments:
    """Works on segments: a turn's, which is a run's first, and those of orchestrations."""

    def __init__(self, *, work: TurnWork, end: RunEnd, hand_over: HandOver, stops: Stops) -> None:
        self._work = work
        self._end = end
        self._hand_over = hand_over
        self._stops = stops

    async def run(self, room: Room, work: Work, *, seconds: float) -> Next:
        """Let the agent work for so many seconds, and record what came of it.

        Raises LeaseLost and StoreUnavailable, since nothing can be recorded then, and bugs.
        """
        about: dict[str, str | int] = {
            "praxos.event": work.run.record.event,
            "praxos.segment": work.run.record.segments + 1,
        }
        name = "run segment" if work.durable else "turn"
        with span(name, kind="consumer", parent=work.run.record, attributes=about) as current:
            return await self._run(room, work, seconds, current)

    async def _run(self, room: Room, work: Work, seconds: float, current: Span) -> Next:
        begun = work.run.record if work.durable else work.entry.record
        if begun.starts > MOST_STARTS:
            current.failed("GivenUp")
            await self._end.fail(room, work, reason=f"begun {begun.starts - 1} times without a recorded step")
            return Next(do=Do.END)
        try:
            return await self._go_on(room, work, seconds, current)
        except Stopped:
            current.set({"praxos.outcome": "stopped"})
            await self._stops.stop(room, work.hold, work=work, durable=work.durable)
        except Revised:
            await self._hand_over.ask_what_becomes(room, work)
            return Next(do=Do.AGAIN)
        except Dropped:
            await self._end.drop(room, work)
        except (LeaseLost, StoreUnavailable):
            raise
        except Transient as trouble:
            _note(current, trouble)
            if until := await self._end.postpone(room, work, trouble):
                return Next(do=Do.WAIT, until=until)
        except Permanent as trouble:
            _note(current, trouble)
            await self._end.fail(room, work, reason=str(trouble), trouble=trouble)
        return Next(do=Do.END)

    async def _go_on(self, room: Room, work: Work, seconds: float, current: Span) -> Next:
        if work.durable and work.entry.record.n < work.hold.stored.record.stop_before:
            raise Stopped("the person said stop")
        worked = await work.hold.guard(self._work.segment(room, work, seconds=seconds))
        current.set({"praxos.outcome": _outcome(worked)})
        if isinstance(worked, Spoken) or worked.spoken:
            await self._end.finish(room, work, worked)
            return Next(do=Do.END)
        if worked.outcome.asked:
            await self._hand_over.ask(room, work, worked)
        else:
            await self._hand_over.go_on(room, work, worked)
        return Next(do=Do.AGAIN)


def _note(current: Span, trouble: Transient | Permanent) -> None:
    current.failed(type(trouble).__name__)
    add(Metric.ERRORS, attributes={"praxos.stage": "turn", "error.type": type(trouble).__name__})


def _outcome(worked: Worked | Spoken) -> str:
    if isinstance(worked, Spoken) or worked.spoken:
        return "finished"
    return "asked" if worked.outcome.asked else "paused"

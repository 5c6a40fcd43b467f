"""The points at which a host is killed or frozen, and the journal of the steps that it reached."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Self, TypeVar

from shared.steps import Step

T = TypeVar("T")


class Moment(StrEnum):
    """Where a point lies. INSIDE: the platform has taken the part, and its answer is on the way."""

    BEFORE = "before"
    AFTER = "after"
    FAILED = "failed"
    INSIDE = "inside"


class Act(StrEnum):
    """What happens at a point."""

    KILL = "kill"
    FREEZE = "freeze"


_SIGNALS = {Act.KILL: signal.SIGKILL, Act.FREEZE: signal.SIGSTOP}


@dataclass(frozen=True, slots=True)
class Reached:
    """One line of a journal. `n` counts this moment of the step in its process; `acted`: the plan was carried out here."""

    pid: int
    step: Step
    moment: Moment
    n: int
    at: float
    error: str = ""
    acted: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The process kills or freezes itself when it reaches a step for the n-th time."""

    step: Step
    moment: Moment
    occurrence: int = 1
    act: Act = Act.KILL

    def __str__(self) -> str:
        return f"{self.act}@{self.step}@{self.moment}@{self.occurrence}"

    def is_at(self, reached: Reached) -> bool:
        """True where this plan is carried out."""
        return (self.step, self.moment, self.occurrence) == (reached.step, reached.moment, reached.n)

    @classmethod
    def parse(cls, text: str) -> Self:
        act, step, moment, occurrence = text.split("@")
        return cls(step=Step(step), moment=Moment(moment), occurrence=int(occurrence), act=Act(act))


class Journal:
    """Notes every durable step before and after it, and carries out the plan. Each line is one append."""

    def __init__(self, path: Path, *, plan: Plan | None = None) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._plan = plan
        self._counts: Counter[tuple[Step, Moment]] = Counter()

    async def step(self, step: Step, call: Callable[[], Awaitable[T]]) -> T:
        """Do a step."""
        self._reach(step, Moment.BEFORE)
        try:
            result = await call()
        except Exception as error:
            self._reach(step, Moment.FAILED, error=type(error).__name__)
            raise
        self._reach(step, Moment.AFTER)
        return result

    def _reach(self, step: Step, moment: Moment, *, error: str = "") -> None:
        self._counts[step, moment] += 1
        reached = Reached(os.getpid(), step, moment, self._counts[step, moment], time.monotonic(), error)
        act = self._plan.act if self._plan and self._plan.is_at(reached) else None
        os.write(self._file, json.dumps(asdict(replace(reached, acted=act or ""))).encode() + b"\n")
        if act:
            os.kill(os.getpid(), _SIGNALS[act])


def read_journal(path: Path) -> list[Reached]:
    """Everything that was noted, in order; a last line that is still being written is left out."""
    if not path.exists():
        return []
    lines = map(json.loads, path.read_text().split("\n")[:-1])
    return [Reached(**{**line, "step": Step(line["step"]), "moment": Moment(line["moment"])}) for line in lines]


def counts(journal: Iterable[Reached]) -> Counter[Step]:
    """How often each step was done."""
    return Counter(reached.step for reached in journal if reached.moment is Moment.AFTER)

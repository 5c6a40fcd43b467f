"""Counting slowly: one pause for each number. How far it is stands in the newest pause, because older ones may be gone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.models.demo import phrases
from shared.models.demo.reading import Done, Run

LEAST, MOST = 2, 500
TOOL = "pause"

_NOTE = re.compile(r"(\d{1,4}) of (\d{1,4})")
_STOP = re.compile(r"\W*(?:please\W+)?(?:stop|quit|enough)(?: counting| it| that)?(?:\W+please)?\W*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Count:
    """How far the counting is."""

    reached: int
    total: int
    stopped: bool
    """True when the person said so."""
    trouble: str
    """What went wrong in words, or empty."""

    def goes_on(self) -> bool:
        """True while there is something to count."""
        return self.reached < self.total and not self.stopped and not self.trouble

    def next(self) -> dict[str, Any]:
        """The arguments of the next pause."""
        return step(self.reached + 1, self.total)

    def said(self) -> str:
        """How it ended."""
        if self.stopped:
            return f"Stopped counting at {self.reached}."
        if self.trouble:
            return f"I had to stop counting at {self.reached}. {self.trouble}"
        return f"Counted to {self.total}."


def step(number: int, total: int) -> dict[str, Any]:
    """The arguments of one pause."""
    return {"seconds": 1, "note": f"{number} of {total}"}


def total(arguments: dict[str, Any]) -> str:
    """Up to which number a pause counts; empty for one that is no part of a counting."""
    found = _NOTE.fullmatch(str(arguments.get("note", "")))
    return found[2] if found else ""


def is_step(done: Done) -> bool:
    """True for a pause of a counting; of one that a summary speaks of, nothing else is known."""
    return done.call["name"] == TOOL and (done.place < 0 or bool(total(done.call["args"])))


def is_stop(text: str) -> bool:
    """True for words that stop the counting."""
    return _STOP.fullmatch(text) is not None


def read(run: Run) -> Count | None:
    """The counting that is under way, or has just ended in this run."""
    newest = _newest(run.done)
    if newest is None:
        return None
    done, number, last = newest
    counted = done.result.status != "error" and not phrases.was_skipped(done)
    return Count(
        reached=number if counted else number - 1,
        total=last,
        stopped=any(heard.place > done.place and is_stop(heard.text) for heard in run.said),
        trouble="" if counted or phrases.was_skipped(done) else phrases.of(done),
    )


def _newest(calls: Sequence[Done]) -> tuple[Done, int, int] | None:
    for done in reversed(calls):
        if done.call["name"] == TOOL and (found := _NOTE.fullmatch(str(done.call["args"].get("note", "")))):
            return done, int(found[1]), int(found[2])
    return None

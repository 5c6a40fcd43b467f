"""The names of checkpoint threads on the disk: what a run's threads begin with, a full stop, a number."""

from __future__ import annotations

from shared.agent.turn import Pointer


def next_after(accepted: Pointer | None, *, name: str) -> int:
    """The first number of a segment whose threads begin with `name`: none is used twice."""
    begun, number = _parts(accepted.thread) if accepted else ("", -1)
    return number + 1 if begun == name else 0


def left_by(accepted: Pointer | None, *, name: str) -> list[str]:
    """What an earlier segment that ended in a crash may have left beside the accepted one. Nobody goes on from those."""
    begun, number = _parts(accepted.thread) if accepted else ("", -1)
    if number < 0 or begun == name:
        return []
    return [f"{begun}.{other}" for other in (number - 1, number + 1) if other >= 0]


def _parts(thread: str) -> tuple[str, int]:
    begun, _, number = thread.rpartition(".")
    return (begun, int(number)) if number.isdecimal() else (thread, -1)

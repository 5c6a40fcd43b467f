"""Where a time stands on a picture: short steps stay visible beside waits of days, so the scale is compressed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise

_POWER = 0.4
"""A wait that is a thousand times as long takes sixteen times the room."""
_LEAST_SECONDS = 0.001
_APART, _APART_FROM_THE_ENDS = 16.0, 22.0
"""Percent of the width that two labels have between them at least; those at the ends lie on one side of their times."""


class Scale:
    """From times to percents of the width. Between two moments at which something happened it is even."""

    def __init__(self, times: Iterable[datetime]) -> None:
        self._times = sorted(set(times))
        steps = [max((b - a).total_seconds(), _LEAST_SECONDS) ** _POWER for a, b in pairwise(self._times)]
        whole = sum(steps) or 1.0
        self._places = [0.0]
        for step in steps:
            self._places.append(self._places[-1] + 100 * step / whole)

    def place(self, at: datetime) -> float:
        """The place of a time, in percent."""
        if at <= self._times[0]:
            return 0.0
        if at >= self._times[-1]:
            return self._places[-1]
        right = bisect_right(self._times, at)
        a, b = self._times[right - 1], self._times[right]
        share = (at - a) / (b - a)
        return self._places[right - 1] + share * (self._places[right] - self._places[right - 1])

    def ticks(self) -> Sequence[tuple[datetime, float]]:
        """Moments worth a label: the first, the last, and between them what has room."""
        every = list(zip(self._times, self._places, strict=True))
        ticks = every[:1]
        for at, place in every[1:-1]:
            apart = _APART if len(ticks) > 1 else _APART_FROM_THE_ENDS
            if place - ticks[-1][1] >= apart and every[-1][1] - place >= _APART_FROM_THE_ENDS:
                ticks.append((at, place))
        return [*ticks, *every[1:][-1:]]

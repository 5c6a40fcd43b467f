"""The table at the end of a crash run: step, moment, reached, result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

MOMENTS = ("before", "inside", "after")


@dataclass(slots=True)
class Row:
    """A point: the occurrence that was chosen, whether it was reached, and what came of it."""

    name: str
    moment: str
    occurrence: int
    reached: bool = False
    result: str = "not run to its end"


@dataclass(slots=True)
class Report:
    """Every point that a run aimed at."""

    rows: list[Row] = field(default_factory=list)

    def aim(self, name: str, moment: str, occurrence: int) -> Row:
        """Note a point before it is tried."""
        row = Row(name, moment, occurrence)
        self.rows.append(row)
        return row

    def lines(self) -> Iterator[str]:
        """The table."""
        if not self.rows:
            return
        yield ""
        yield f"{'step':26} {'moment':8} {'n':>4}  {'reached':8} result"
        for row in self.rows:
            reached = "yes" if row.reached else "NO"
            yield f"{row.name:26} {row.moment:8} {row.occurrence:>4}  {reached:8} {row.result}"
        yield f"{sum(row.reached for row in self.rows)} of {len(self.rows)} points reached"

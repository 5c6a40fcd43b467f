"""The table at the end of a crash run: step, moment, the promise that it is about, whether it was reached, what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

PROPERTY = "points"
"""The property of a test's report that holds its rows: so they come together from every worker process."""
GUARANTEES = {
    "webhook": "G1",
    "settle": "G1 G6",
    "intake": "G2 G3",
    "turn": "G2 G3",
    "lease": "G3",
    "effect": "G4",
    "checkpoint": "G4 G7",
    "delivery": "G5",
    "dead_letter": "G6",
    "sweeper": "G6",
    "run": "G2 G7",
    "question": "G7",
    "durable": "G7",
    "reminder": "G2 G6",
}
"""What a step keeps above all, by the first word of its name. What is not here keeps what people see right."""


@dataclass(slots=True)
class Row:
    """A point: the occurrence that was chosen, whether it was reached, and what came of it."""

    name: str
    moment: str
    occurrence: int
    reached: bool = False
    result: str = "not run to its end"

    @property
    def guarantee(self) -> str:
        """The promises that it is about. At the end of each test all of them are looked at."""
        return GUARANTEES.get(self.name.partition(".")[0], "all")


@dataclass(slots=True)
class Report:
    """Every point that a test aimed at."""

    rows: list[Row] = field(default_factory=list)

    def aim(self, name: str, moment: str, occurrence: int) -> Row:
        """Note a point before it is tried."""
        row = Row(str(name), str(moment), occurrence)  # plain: it goes to another process
        self.rows.append(row)
        return row

    def to_property(self) -> tuple[str, list[dict[str, Any]]]:
        """The rows as they go with a test's report."""
        return PROPERTY, [asdict(row) for row in self.rows]


def gathered(properties: Iterable[tuple[str, Any]]) -> list[Row]:
    """The rows of many tests, by the names of their steps."""
    rows = [Row(**row) for name, values in properties if name == PROPERTY for row in values]
    return sorted(rows, key=lambda row: row.name)


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """The table."""
    if not rows:
        return
    yield ""
    yield f"{'step':34} {'moment':8} {'n':>4}  {'promise':8} {'reached':8} result"
    for row in rows:
        reached = "yes" if row.reached else "NO"
        yield f"{row.name:34} {row.moment:8} {row.occurrence:>4}  {row.guarantee:8} {reached:8} {row.result}"
    yield f"{sum(row.reached for row in rows)} of {len(rows)} points reached"

"""A benchmark's result: one row per figure, each a ratio to a peer in the same run."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `ratios` are those of the alternating rounds; the median counts."""

    figure: str
    ours: str
    peer: str
    ratios: Sequence[float]
    target: float | None = None
    """None: for the record."""
    at_least: bool = False

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return median(self.ratios)

    @property
    def verdict(self) -> str:
        """Whether the target is met."""
        if self.target is None:
            return "for the record"
        met = self.ratio >= self.target if self.at_least else self.ratio <= self.target
        return "met" if met else "NOT MET"

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        target = "" if self.target is None else f"{'≥' if self.at_least else '≤'} {self.target:.3g}"
        spread = f"{min(self.ratios):.2f}–{max(self.ratios):.2f}" if len(self.ratios) > 1 else ""
        return (self.figure, self.ours, self.peer, f"{self.ratio:.2f}", spread, target, self.verdict)


HEADINGS = ("figure", "ours", "peer", "ratio", "range", "target", "verdict")


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [HEADINGS, tuple("---" for _ in HEADINGS), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def machine() -> str:
    """What the figures were measured on, and when."""
    import os

    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{now}, Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"


def middle(values: Sequence[float], unit: str, *, scale: float = 1.0, digits: int = 0) -> str:
    """The median of values, with its unit."""
    return f"{median(values) * scale:.{digits}f} {unit}"

"""What a figure came to, and the table of them all."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """What a ratio has to reach, or must not exceed."""

    value: float
    at_least: bool

    def met(self, ratio: float) -> bool:
        """Whether a ratio is as good as wanted."""
        return ratio >= self.value if self.at_least else ratio <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.value:.2g}"


def at_least(value: float) -> Target:
    """More is better."""
    return Target(value, at_least=True)


def at_most(value: float) -> Target:
    """Less is better."""
    return Target(value, at_least=False)


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: ours and the peer's by rounds, in the order in which they were measured. No target: for the record."""

    name: str
    unit: str
    ours: tuple[float, ...]
    peer: tuple[float, ...]
    peer_name: str
    target: Target | None

    @property
    def ratios(self) -> list[float]:
        """Ours in terms of the peer's, round by round."""
        return [ours / peer for ours, peer in zip(self.ours, self.peer, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def verdict(self) -> str:
        """`met`, `short`, or nothing where there is no target."""
        if self.target is None:
            return ""
        return "met" if self.target.met(self.ratio) else "SHORT"

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        ours, peer = (f"{statistics.median(values):,.4g} {self.unit}" for values in (self.ours, self.peer))
        low, high = min(self.ratios), max(self.ratios)
        ratio = f"{self.ratio:.2f}" if len(self.ratios) == 1 else f"{self.ratio:.2f} ({low:.2f}-{high:.2f})"
        return self.name, ours, f"{peer} {self.peer_name}", ratio, str(self.target or ""), self.verdict


HEADER = ("figure", "ours", "peer", "ratio", "target", "verdict")


def table(figures: Sequence[Figure]) -> str:
    """The rows in columns, for a terminal."""
    rows = [HEADER, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def markdown(figures: Sequence[Figure]) -> str:
    """The rows as a Markdown table."""
    rows = [HEADER, ("---",) * len(HEADER), *(figure.cells() for figure in figures)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)

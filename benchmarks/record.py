"""Keeps the figures of a run: the table in docs/benchmarks.md, and a chart beside it."""

from __future__ import annotations

import math
import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.processes import ROOT
from benchmarks.report import Figure, markdown

PAGE = ROOT / "docs" / "benchmarks.md"
CHART = ROOT / "docs" / "images" / "benchmarks.svg"
_BETWEEN = re.compile(r"(<!-- figures -->\n).*?(<!-- end of figures -->)", re.DOTALL)

WIDTH, LEFT, RIGHT, ROW, TOP = 950, 420, 90, 34, 54
DOUBLINGS = 3
"""How many doublings the chart reaches to the right of the target; it reaches one to the left."""


def write(figures: Sequence[Figure]) -> None:
    """Replace the figures of the last run."""
    text = PAGE.read_text(encoding="utf-8")
    taken = f"Measured on {datetime.now(UTC):%-d %B %Y}: {_machine()}."
    PAGE.write_text(
        _BETWEEN.sub(lambda found: f"{found[1]}{taken}\n\n{markdown(figures)}\n{found[2]}", text), encoding="utf-8"
    )
    CHART.parent.mkdir(parents=True, exist_ok=True)
    CHART.write_text(chart([figure for figure in figures if figure.target]), encoding="utf-8")


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    name = names[0] if names else platform.machine()
    return f"{os.cpu_count()} × {name}, {platform.system()}, Python {platform.python_version()}"


def chart(figures: Sequence[Figure]) -> str:
    """How far each round lies from the target: right of the line it is met, and each step is a doubling."""
    height = TOP + ROW * len(figures) + 16
    steps = "".join(_step(doubling, height) for doubling in range(-1, DOUBLINGS + 1))
    rows = "".join(_row(figure, TOP + ROW * place + ROW / 2) for place, figure in enumerate(figures))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="Each figure next to its target" font-family="system-ui, sans-serif" font-size="13">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>\n{steps}{rows}</svg>\n'
    )


def _step(doubling: int, height: int) -> str:
    x = _x(2.0**doubling)
    label, colour = ("target", "#b45309") if doubling == 0 else (f"{2.0**doubling:g}× as good", "#d4d4d8")
    return (
        f'<line x1="{x:.1f}" y1="{TOP - 10}" x2="{x:.1f}" y2="{height - 12}" stroke="{colour}"/>'
        f'<text x="{x:.1f}" y="{TOP - 20}" text-anchor="middle" fill="#52525b">{label}</text>\n'
    )


def _row(figure: Figure, y: float) -> str:
    met = figure.verdict == "met"
    colour = "#047857" if met else "#b91c1c"
    dots = "".join(
        f'<circle cx="{_x(_margin(figure, ratio)):.1f}" cy="{y:.1f}" r="3" fill="{colour}" fill-opacity="0.35"/>'
        for ratio in figure.ratios
    )
    middle = _x(_margin(figure, figure.ratio))
    return (
        f'<text x="{LEFT - 16}" y="{y + 4:.1f}" text-anchor="end" fill="#18181b">{escape(figure.name)}</text>{dots}'
        f'<circle cx="{middle:.1f}" cy="{y:.1f}" r="6" fill="{colour}"/>'
        f'<text x="{WIDTH - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#18181b">{figure.ratio:.2f}×</text>\n'
    )


def _margin(figure: Figure, ratio: float) -> float:
    assert figure.target
    if figure.target.at_least:
        return ratio / figure.target.value
    return figure.target.value / ratio if ratio else math.inf


def _x(margin: float) -> float:
    place = min(math.log2(max(margin, 0.5)), float(DOUBLINGS))
    return LEFT + (place + 1) / (DOUBLINGS + 1) * (WIDTH - LEFT - RIGHT)

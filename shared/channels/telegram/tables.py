"""Tables as aligned plain text, for a font in which every character is as wide as the next."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

MAX_WIDTH = 40
"""Columns. A longer cell sticks out instead of widening every other row."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's words, and the links in them as pairs of words and address: a table can show no links itself."""

    text: str
    links: tuple[tuple[str, str], ...] = ()


def layout(rows: Sequence[Sequence[Cell]], *, right: Sequence[bool]) -> str:
    """The table's lines: the first row is its head, and columns in `right` are aligned right."""
    columns = max((len(row) for row in rows), default=0)
    if not columns:
        return ""
    texts = [[cell.text for cell in row] + [""] * (columns - len(row)) for row in rows]
    widths = [min(MAX_WIDTH, max(_width(row[column]) for row in texts)) for column in range(columns)]
    aligned_right = [*right, *[False] * columns]
    lines = [
        " | ".join(
            _padded(text, width=width, right=to_the_right)
            for text, width, to_the_right in zip(row, widths, aligned_right, strict=False)
        ).rstrip()
        for row in texts
    ]
    lines.insert(1, "-+-".join("-" * width for width in widths))
    return "\n".join(lines)


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _padded(text: str, *, width: int, right: bool) -> str:
    room = " " * max(0, width - _width(text))
    return room + text if right else text + room

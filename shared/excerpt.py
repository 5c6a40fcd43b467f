"""One part of a long text: as much as a model is given at once."""

from __future__ import annotations

from dataclasses import dataclass

PART_BYTES = 7_000
"""In UTF-8; a tool's result may have 8 KB, the words around the part included."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part, and words on what is missing after it."""

    text: str
    note: str


def of(text: str, *, start: int = 0) -> Excerpt:
    """The part of a text that begins at a character, cut between lines or words where it can be."""
    part = text[start:].encode("utf-8", "replace")[:PART_BYTES].decode("utf-8", "ignore")
    end = start + len(part)
    if end >= len(text):
        return Excerpt(part, "" if part or not start else f"\nThere is nothing after character {len(text)}.")
    for gap in ("\n", " "):
        position = part.rfind(gap, len(part) // 2)
        if position > 0:
            part, end = part[:position], start + position + 1
            break
    return Excerpt(part, f"\nCharacters {start} to {end} of {len(text)}; to go on, read again with start={end}.")

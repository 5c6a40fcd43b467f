"""Timelines as operators see them: what happened to a message, lane by lane. What people wrote is shown only on purpose."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from shared.messages import EventKind, Word


class Lane(StrEnum):
    """Where something happened; they follow each other as a message travels."""

    INTAKE = "intake"
    TURN = "turn"
    SEGMENTS = "segments"
    QUESTIONS = "questions"
    EFFECTS = "effects"
    DELIVERY = "delivery"
    DEAD_LETTERS = "dead letters"


LANES = tuple(Lane)


class Tone(StrEnum):
    """How something stands."""

    PLAIN = "plain"
    GOOD = "good"
    WAITING = "waiting"
    BAD = "bad"


class Item(Word):
    """Something that happened: a moment, or something that lasted.

    What lasted has an end in `until`, or is still `open`, or nobody wrote down when it ended.
    """

    lane: Lane
    at: datetime
    lasts: bool = False
    until: datetime | None = None
    open: bool = False
    what: str
    """In a few words: `segment 2: paused`."""
    tone: Tone = Tone.PLAIN
    details: tuple[str, ...] = ()
    length: int | None = None
    """How many characters the text has that belongs to it."""
    text: str = ""
    """The text itself, where it was asked for."""


class Happened(Word):
    """One event and everything that belongs to it. An empty event: what belongs to none that is shown."""

    event: str
    number: int | None = None
    """Its number in the mailbox; None where it never got there."""
    kind: EventKind | None = None
    state: str = ""
    at: datetime
    length: int = 0
    text: str = ""
    items: tuple[Item, ...]


class Timeline(Word):
    """What happened to one event, or in one conversation; the newest event comes last."""

    conversation: str
    event: str = ""
    """Set where it is about one event alone."""
    now: datetime
    happened: tuple[Happened, ...]
    notes: tuple[str, ...] = ()
    """What is not shown, and why."""


def many(count: int, what: str) -> str:
    """A count and what is counted: `1 try`, `2 tries`."""
    plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{count} {what if count == 1 else plural}"

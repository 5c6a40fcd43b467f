"""The documents of what could not be handled, as they are stored."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared.conversation.records import Record
from shared.conversation.states import (
    DeadLetterState,
)
from shared.messages import InboundEvent


class About(StrEnum):
    """What a dead letter is about."""

    ENTRY = "entry"
    PART = "part"
    EVENT = "event"
    MESSAGE = "message"
    REMINDER = "reminder"


class Failure(BaseModel):
    """Why something could not be handled at an earlier time."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    reason: str


class Action(BaseModel):
    """What an operator did with a dead letter."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    who: str
    what: str
    note: str = ""


class DeadLetter(Record):
    """Something that could not be handled, with its reason."""

    kind: Literal["dead_letter"] = "dead_letter"
    n: int
    """Milliseconds since 1970, so that the newest come first."""
    state: DeadLetterState = DeadLetterState.OPEN
    about: About
    subject: str
    """The id of the entry's or part's document, of the event, or of the broker's message."""
    reason: str
    """For operators: what went wrong, the last time."""
    earlier: tuple[Failure, ...] = ()
    """What went wrong before it was replayed, the oldest first."""
    actions: tuple[Action, ...] = ()
    """What operators did, the oldest first."""
    words: str = ""
    """For the person: what could not be done, in plain words; empty when nobody is to be told."""
    event: InboundEvent | None = None
    """The event itself, where no entry holds it."""
    queue: str = ""
    """The queue that `body` came from."""
    body: str = ""
    """What the broker gave up on, where it could not be read as one of ours."""
    at: datetime
    told_at: datetime | None = None
    """When the person was last told."""
    traceparent: str = ""
    tracestate: str = ""
    wake_at: datetime | None = None
    ring: str | None = None
    """Set as long as the person is still to be told."""
    ttl: int | None = None

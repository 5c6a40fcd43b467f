"""The states of everything that moves, and which may follow which. The diagrams in docs/ are made from here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class LeaseState(StrEnum):
    """A conversation's or an outbox's lease, as others see it."""

    FREE = "free"
    HELD = "held"
    EXPIRED = "expired"


class EntryState(StrEnum):
    """A mailbox entry: one event, waiting for or past its turn."""

    PENDING = "pending"
    WAITING = "waiting"
    CONSUMED = "consumed"
    DEAD = "dead"


class PartState(StrEnum):
    """One part of a reply, in the outbox."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"
    DROPPED = "dropped"
    UNCERTAIN = "uncertain"
    MOVED = "moved"


class RunState(StrEnum):
    """A turn, from its first write to its end."""

    WORKING = "working"
    FINISHED = "finished"
    FAILED = "failed"


class DeadLetterState(StrEnum):
    """Something that could not be handled, until an operator has dealt with it."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


OPEN_ENTRIES = (EntryState.PENDING, EntryState.WAITING)
OPEN_PARTS = (PartState.PENDING, PartState.SENDING)

START = "[*]"
Transition = tuple[str, str, str]
"""From, to, and why."""

TRANSITIONS: Mapping[type[StrEnum], tuple[Transition, ...]] = MappingProxyType(
    {
        LeaseState: (
            (START, LeaseState.FREE, "first event"),
            (LeaseState.FREE, LeaseState.HELD, "taken: epoch + 1"),
            (LeaseState.HELD, LeaseState.HELD, "renewed every third of its life"),
            (LeaseState.HELD, LeaseState.FREE, "released with the last write, unless an entry came in"),
            (LeaseState.HELD, LeaseState.EXPIRED, "time passed, or its process is gone"),
            (LeaseState.EXPIRED, LeaseState.HELD, "taken over: epoch + 1, the old holder can write nothing"),
        ),
        EntryState: (
            (START, EntryState.PENDING, "arrived: created if absent, next number"),
            (START, EntryState.CONSUMED, "a command, answered on arrival"),
            (EntryState.PENDING, EntryState.CONSUMED, "its turn finished"),
            (EntryState.PENDING, EntryState.WAITING, "transient trouble: until, attempt"),
            (EntryState.WAITING, EntryState.WAITING, "still in trouble"),
            (EntryState.WAITING, EntryState.CONSUMED, "its turn finished"),
            (EntryState.PENDING, EntryState.DEAD, "permanent trouble, or ten starts without a step"),
            (EntryState.WAITING, EntryState.DEAD, "in trouble for a day"),
            (EntryState.DEAD, EntryState.PENDING, "replayed by an operator: next number"),
        ),
        PartState: (
            (START, PartState.PENDING, "appended with the reply"),
            (PartState.PENDING, PartState.SENDING, "about to leave, under the outbox's lease"),
            (PartState.SENDING, PartState.SENT, "the platform took it"),
            (PartState.PENDING, PartState.SENT, "the web page: this write is the sending"),
            (PartState.SENDING, PartState.PENDING, "certainly not taken: 429, no connection"),
            (PartState.SENDING, PartState.SENDING, "unknown whether taken: again, with the key or the label"),
            (PartState.SENDING, PartState.REFUSED, "the platform said no"),
            (PartState.PENDING, PartState.REFUSED, "nothing taken for a day"),
            (PartState.PENDING, PartState.DROPPED, "an earlier part of its message was refused"),
            (PartState.SENDING, PartState.UNCERTAIN, "given up without knowing"),
            (PartState.REFUSED, PartState.MOVED, "replayed by an operator: goes on as a new part"),
            (PartState.DROPPED, PartState.MOVED, "replayed with the part that was refused"),
            (PartState.UNCERTAIN, PartState.MOVED, "replayed: the new part says that it may be a repeat"),
        ),
        RunState: (
            (START, RunState.WORKING, "taken with its entry"),
            (RunState.WORKING, RunState.WORKING, "taken again after a crash or a wait"),
            (RunState.WORKING, RunState.FINISHED, "its reply is in the outbox"),
            (RunState.WORKING, RunState.FAILED, "its entry became a dead letter"),
            (RunState.FAILED, RunState.WORKING, "its entry was replayed: it goes on with what it has done"),
        ),
        DeadLetterState: (
            (START, DeadLetterState.OPEN, "recorded with its reason; the person is told"),
            (DeadLetterState.OPEN, DeadLetterState.REPLAYED, "made pending again by an operator"),
            (DeadLetterState.REPLAYED, DeadLetterState.OPEN, "failed again: with both reasons"),
            (DeadLetterState.OPEN, DeadLetterState.DISCARDED, "put aside by an operator"),
        ),
    }
)

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
    STOPPED = "stopped"
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
    """A run: a turn from its first write to its end, however long that takes."""

    WORKING = "working"
    WAITING = "waiting"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


class QuestionState(StrEnum):
    """A question of the assistant to a person."""

    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"
    CLOSED = "closed"


class EffectState(StrEnum):
    """One call of a tool that changes something, in the effects ledger."""

    STARTED = "started"
    DONE = "done"
    NOT_DONE = "not_done"
    UNCERTAIN = "uncertain"
    DROPPED = "dropped"


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
            (EntryState.PENDING, EntryState.CONSUMED, "a run that works took it in, or was handed over"),
            (EntryState.PENDING, EntryState.STOPPED, "/stop came after it"),
            (EntryState.WAITING, EntryState.STOPPED, "/stop came after it"),
            (EntryState.PENDING, EntryState.DEAD, "permanent trouble, or ten starts without a step"),
            (EntryState.WAITING, EntryState.DEAD, "in trouble for a day"),
            (EntryState.CONSUMED, EntryState.DEAD, "the run that it was handed over to failed"),
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
            (PartState.SENDING, PartState.UNCERTAIN, "given up without knowing; a refused repeat"),
            (PartState.REFUSED, PartState.MOVED, "replayed by an operator: goes on as a new part"),
            (PartState.DROPPED, PartState.MOVED, "replayed with the part that was refused"),
            (PartState.UNCERTAIN, PartState.MOVED, "replayed: the new part says that it may be a repeat"),
        ),
        RunState: (
            (START, RunState.WORKING, "taken with its entry"),
            (RunState.WORKING, RunState.WORKING, "taken again after a crash or a wait; the next segment"),
            (RunState.WORKING, RunState.WAITING, "it asked a person; the conversation goes on meanwhile"),
            (RunState.WAITING, RunState.WORKING, "answered, or the time to answer is over"),
            (RunState.WORKING, RunState.FINISHED, "its reply is in the outbox"),
            (RunState.WORKING, RunState.STOPPED, "/stop came after its entry"),
            (RunState.WAITING, RunState.STOPPED, "/stop came after its entry"),
            (RunState.WORKING, RunState.FAILED, "it became a dead letter"),
            (RunState.FAILED, RunState.WORKING, "replayed by an operator: goes on from its checkpoint"),
        ),
        QuestionState: (
            (START, QuestionState.OPEN, "written with the run that waits for it"),
            (QuestionState.OPEN, QuestionState.ANSWERED, "the first answer of somebody who may give it"),
            (QuestionState.OPEN, QuestionState.EXPIRED, "nobody answered in time: the stated default"),
            (QuestionState.OPEN, QuestionState.CLOSED, "its run was stopped or failed"),
        ),
        EffectState: (
            (START, EffectState.STARTED, "the call is about to leave"),
            (EffectState.STARTED, EffectState.DONE, "it happened: a second look gets its result"),
            (EffectState.STARTED, EffectState.NOT_DONE, "the tool says that nothing happened"),
            (EffectState.STARTED, EffectState.UNCERTAIN, "nobody knows: the person is asked"),
            (EffectState.UNCERTAIN, EffectState.STARTED, "the person said: repeat"),
            (EffectState.UNCERTAIN, EffectState.DONE, "checked: it had happened"),
            (EffectState.UNCERTAIN, EffectState.NOT_DONE, "checked: it had not"),
            (EffectState.UNCERTAIN, EffectState.DROPPED, "the person said: leave it"),
        ),
        DeadLetterState: (
            (START, DeadLetterState.OPEN, "recorded with its reason; the person is told"),
            (DeadLetterState.OPEN, DeadLetterState.REPLAYED, "made pending again by an operator"),
            (DeadLetterState.REPLAYED, DeadLetterState.OPEN, "failed again: with both reasons"),
            (DeadLetterState.OPEN, DeadLetterState.DISCARDED, "put aside by an operator"),
        ),
    }
)

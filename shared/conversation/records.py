"""The documents of a conversation's partition, as they are stored."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from shared.conversation.states import (
    EntryState,
    LeaseState,
)
from shared.messages import Address, InboundEvent
from shared.owners import gone

KEEP_FINISHED = int(timedelta(days=30).total_seconds())
"""How long finished things stay, in seconds: longer than any platform retries (WhatsApp: 7 days)."""

RECORD = "record"
OUTBOX = "outbox"
PROGRESS = "progress"


class Record(BaseModel):
    """A stored document. Unknown fields are ignored, so that an older version can read what a newer one wrote."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str

    def with_(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return self.model_copy(update=changes)


class Lease(BaseModel):
    """Who works here. The epoch decides; `until` only says when to try."""

    model_config = ConfigDict(frozen=True)

    epoch: int = 0
    owner: str = ""
    until: datetime | None = None
    writes: int = 0
    """How many writes were done under this epoch: by it, a holder whose answer got lost sees that its write was done."""

    def state(self, now: datetime) -> LeaseState:
        """Free, held, or expired: its time is over or its process is gone from this machine."""
        if self.until is None:
            return LeaseState.FREE
        return LeaseState.EXPIRED if self.until <= now or gone(self.owner) else LeaseState.HELD


class Leased(Record):
    """A record with a lease, and with the bell that mends it when its holder dies."""

    lease: Lease = Lease()
    bell_at: datetime | None = None
    """When a bell comes that was scheduled to look again."""
    wake_at: datetime | None = None
    ring: str | None = None


class QueueMode(StrEnum):
    """What a message does that comes in while a run works."""

    STEER = "steer"
    """The run sees it before its next step."""
    FOLLOWUP = "followup"
    """It waits for a turn of its own."""
    COLLECT = "collect"
    """All that waits becomes one turn."""
    INTERRUPT = "interrupt"
    """It stops the run and gets a turn of its own."""


class OpenRun(BaseModel):
    """A run that was handed over and has not ended, as the conversation's head knows it."""

    model_config = ConfigDict(frozen=True)

    event: str
    entry: int
    since: datetime
    about: str
    """The beginning of what was asked for."""
    waiting: bool = False
    """True while it waits for an answer: then it holds up nothing."""
    asks: tuple[str, ...] = ()
    """The ids of its open questions."""
    question: str = ""
    """The beginning of the first of them."""


class ConversationRecord(Leased):
    """The head of a conversation. Its etag numbers arrivals; its lease's epoch fences work."""

    kind: Literal["conversation"] = "conversation"
    address: Address
    group: bool = False
    generation: int = 0
    """Raised by /new: what was said before is cut off, the id stays."""
    entries: int = 0
    """The number of the last mailbox entry."""
    settled: int = 0
    """Every entry up to this number is consumed or dead."""
    waiting: int = 0
    """How many entries still wait for the end of their turn."""
    messages: int = 0
    """The number of the last message of the history."""
    summary: str = ""
    summarised: int = 0
    """The summary covers the messages up to this number."""
    working_since: datetime | None = None
    working_on: str = ""
    """The event of the run that the holder of the lease works on."""
    stop_before: int = 0
    """Work on entries below this number ends as stopped. Nothing clears it."""
    mode: QueueMode = QueueMode.STEER
    runs: tuple[OpenRun, ...] = ()
    """The runs that were handed over and have not ended, the oldest first."""


class Entry(Record):
    """One event in the mailbox, in the order in which the queue accepted it."""

    kind: Literal["entry"] = "entry"
    n: int
    state: EntryState = EntryState.PENDING
    event: InboundEvent
    generation: int
    arrived_at: datetime
    starts: int = 0
    """How often its turn was begun without a recorded step."""
    attempt: int = 0
    until: datetime | None = None
    trouble_since: datetime | None = None
    told: bool = False
    """True when the person knows that it waits."""
    letter: str = ""
    """The dead letter that it was replayed from: where it fails again, that one is opened again."""
    failed: bool = False
    """True when the person was told that it could not be handled: the reply says that now it could."""
    ended_at: datetime | None = None
    """When it was consumed, stopped or given up."""
    ttl: int | None = None

    @property
    def has_run(self) -> bool:
        """Whether its turn was begun before, so that there is a run to go on with, or to end."""
        return bool(self.starts or self.attempt or self.letter)


class MessageRole(StrEnum):
    """Who said a message of the history."""

    PERSON = "person"
    ASSISTANT = "assistant"


class Message(Record):
    """One message of the history."""

    kind: Literal["message"] = "message"
    n: int
    generation: int
    role: MessageRole
    text: str
    event: str
    at: datetime

"""The documents of a conversation's partition, as they are stored."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from shared.conversation.states import (
    DeadLetterState,
    EffectState,
    EntryState,
    LeaseState,
    PartState,
    QuestionState,
    RunState,
)
from shared.messages import Address, Attachment, Button, InboundEvent
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


class RunOwner(StrEnum):
    """Who goes on with a run: the turn that began it, or an orchestration."""

    TURN = "turn"
    DURABLE = "durable"


class Checkpoint(BaseModel):
    """A checkpoint in the library's saver: its thread, and its id there."""

    model_config = ConfigDict(frozen=True)

    thread: str
    id: str


class SegmentEnd(StrEnum):
    """How a segment of a run ended."""

    FINISHED = "finished"
    PAUSED = "paused"
    """Its time was over: another one goes on."""
    ASKED = "asked"
    WAITS = "waits"
    """Something is away: it is tried again later."""
    STOPPED = "stopped"
    FAILED = "failed"
    LOST = "lost"
    """Its process died, or lost the lease: nobody wrote down when."""


class PastSegment(BaseModel):
    """A segment of a run that is over."""

    model_config = ConfigDict(frozen=True)

    n: int
    started_at: datetime
    ended_at: datetime | None = None
    end: SegmentEnd


class Run(Record):
    """A turn, however long it takes. Its id is derived from the event, so one that is taken again is the same run.

    Only the holder of the conversation's lease writes it, and an operator who replays it.
    """

    kind: Literal["run"] = "run"
    state: RunState = RunState.WORKING
    owner: RunOwner = RunOwner.TURN
    event: str
    entry: int
    user: str = ""
    started_at: datetime
    finished_at: datetime | None = None
    checkpoint: Checkpoint | None = None
    """The accepted one: the run goes on from here and is never begun again."""
    superseded: tuple[str, ...] = ()
    """Threads of checkpoints that are not needed any more."""
    revision: str = ""
    """What the agent was when it wrote the checkpoint."""
    taken: tuple[str, ...] = ()
    """The events of the entries that it took in while it worked and that are consumed, the oldest first."""
    segments: int = 0
    past: tuple[PastSegment, ...] = ()
    """The last segments that are over, the oldest first."""
    begun_at: datetime | None = None
    """When the segment began that is being worked on."""
    starts: int = 0
    """How often a segment was begun without a recorded step."""
    attempt: int = 0
    until: datetime | None = None
    """Nothing is tried before: transient trouble."""
    trouble_since: datetime | None = None
    told: bool = False
    """True when the person knows that it waits for something that is away."""
    worked_seconds: float = 0
    model: str = ""
    model_calls: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    lately: tuple[str, ...] = ()
    """The last steps in words, for whoever asks what was done."""
    traceparent: str = ""
    wake_at: datetime | None = None
    ring: str | None = None
    ttl: int | None = None


class QuestionKind(StrEnum):
    """What an answer decides."""

    APPROVAL = "approval"
    CHOICE = "choice"
    TEXT = "text"
    UNCERTAIN = "uncertain"
    REVISION = "revision"
    """The assistant was changed since the run stopped: go on with the new one, or drop it."""


class GivenAnswer(BaseModel):
    """What somebody answered."""

    model_config = ConfigDict(frozen=True)

    value: dict[str, Any]
    """What the agent goes on with: `{"type": "approve"}` and so on."""
    words: str
    """The same for people: `approved`, `refused: too expensive`."""
    user: str = ""
    event: str = ""
    """The event that gave it; empty where nobody did in time."""
    at: datetime


class QuestionRecord(Record):
    """A question at which a run waits, in the partition of the run's conversation.

    The holder of the lease creates it; whoever may answer settles it, conditional on its etag.
    """

    kind: Literal["question"] = "question"
    n: int
    """The number of its run's entry."""
    state: QuestionState = QuestionState.OPEN
    run: str
    """The run's event."""
    conversation: str
    about: QuestionKind
    interrupt: str
    index: int
    call: str
    """The id of the tool call that asks."""
    tool: str = ""
    arguments: dict[str, Any] = {}
    what: str = ""
    """What it is about in a few plain words, to name it by: `forget everything that I remember about you`."""
    text: str
    """The whole question as the person read it, in Markdown."""
    options: tuple[str, ...] = ()
    token: str
    """What its buttons carry; nobody can guess it."""
    user: str
    """Who may answer."""
    name: str = ""
    """The name of who may answer."""
    routed: Address | None = None
    """Where it was asked, if not in the run's conversation."""
    told: bool = True
    """False until a routed question is in the other conversation's outbox."""
    asked_at: datetime
    remind_at: datetime | None = None
    """When the person is reminded; None: that is done."""
    expires_at: datetime
    answer: GivenAnswer | None = None
    taken_in: bool = False
    """True once a checkpoint with the answer was accepted, or its run ended."""
    traceparent: str = ""
    wake_at: datetime | None = None
    ring: str | None = None
    ttl: int | None = None


class EffectRecord(Record):
    """One row of the effects ledger: a call of a tool that changes something."""

    kind: Literal["effect"] = "effect"
    n: int
    """The number of its run's entry."""
    state: EffectState
    run: str
    key: str
    tool: str
    effect: str
    arguments: str
    """A hash of them."""
    about: str = ""
    """What it was in words, for whoever must be told."""
    attempt: int = 1
    result: dict[str, Any] = {}
    why: str = ""
    started_at: datetime
    ended_at: datetime | None = None
    ttl: int | None = None


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


class OutboxRecord(Leased):
    """The head of the outbox, with a lease of its own so that parts go out while a turn works."""

    kind: Literal["outbox"] = "outbox"
    parts: int = 0
    """The number of the last part."""
    settled: int = 0
    """Every part up to this number is sent or given up."""
    published: int = 0
    """The number of the last item on the web page."""
    not_before: datetime | None = None


class Part(Record):
    """One piece of a reply, rendered for its platform, small enough to be sent alone."""

    kind: Literal["part"] = "part"
    n: int
    state: PartState = PartState.PENDING
    message: str
    """What the part belongs to: all parts of one message share it."""
    payload: dict[str, Any]
    key: str
    """The idempotency key that goes with every send of this part."""
    event: str = ""
    notice: bool = False
    """True for what Praxos says by itself: trouble with it makes no further notice."""
    repeat: bool = False
    """True once a send may have reached the platform without our knowing: the next one carries the key, or says so."""
    starts: int = 0
    attempt: int = 0
    unknown: int = 0
    """How many sends ended without our knowing whether the platform took it."""
    epoch: int = 0
    at: datetime | None = None
    """When it was put into the outbox."""
    tried_at: datetime | None = None
    """When it was first tried."""
    sent_at: datetime | None = None
    provider_id: str = ""
    letter: str = ""
    """The dead letter that it was replayed from: where it fails again, that one is opened again."""
    traceparent: str = ""
    ttl: int | None = None


class PageRole(StrEnum):
    """Who an item of the web page is from."""

    PERSON = "person"
    ASSISTANT = "assistant"
    NOTICE = "notice"


class PageItem(Record):
    """One item of the web chat, numbered in the order in which the page shows them."""

    kind: Literal["page"] = "page"
    n: int
    role: PageRole
    text: str
    html: str = ""
    attachments: tuple[Attachment, ...] = ()
    buttons: tuple[tuple[Button, ...], ...] = ()
    event: str = ""
    at: datetime


class ProgressRecord(Record):
    """What is being done right now, for the web page. Not truth: written without a condition."""

    kind: Literal["progress"] = "progress"
    text: str = ""
    since: datetime
    ttl: int = 120


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
    wake_at: datetime | None = None
    ring: str | None = None
    """Set as long as the person is still to be told."""
    ttl: int | None = None

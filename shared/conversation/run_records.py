"""The documents of a run, as they are stored: the run itself, what it asked, what it did."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.conversation.records import Record
from shared.conversation.states import (
    EffectState,
    QuestionState,
    RunState,
)
from shared.messages import Address


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
    unheard: tuple[str, ...] = ()
    """Those of them that no accepted checkpoint knew of when it failed: its replay tells the agent again."""
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
    tracestate: str = ""
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
    arguments: dict[str, Any] = Field(default_factory=dict)
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
    tracestate: str = ""
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
    result: dict[str, Any] = Field(default_factory=dict)
    why: str = ""
    started_at: datetime
    ended_at: datetime | None = None
    ttl: int | None = None

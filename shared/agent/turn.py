"""What a turn gives the agent, and what it gets back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from shared.conversation.states import EffectState
from shared.messages import Attachment, PraxosError
from shared.ports import Effect, Json, ToolContext
from shared.ports import Permission as Permission  # noqa: PLC0414  a word of the agent's too; access may not import it from here


class Role(StrEnum):
    """Who said something."""

    PERSON = "person"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a conversation's history."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a person said, and what the agent needs to answer it."""

    event: str
    text: str
    attachments: Sequence[Attachment]
    person: str
    """The person's name, or empty."""
    language: str
    channel: str
    reminder: bool
    """True when this is not the person speaking but a reminder of theirs coming due."""
    history: Sequence[Said]
    """The recent messages word for word, the oldest first."""
    summary: str
    """What came before them, in short; empty when nothing did."""
    context: Callable[[str], ToolContext]
    """Makes a tool call's context from its position in the turn."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the assistant says, and what it cost."""

    text: str
    attachments: Sequence[Attachment] = ()
    model: str = ""
    model_calls: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


# --- a run in segments ----------------------------------------------------------------------------------------


class Stopped(PraxosError):
    """The person said stop: no further step starts."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """A checkpoint in the library's saver: its thread, and its id there."""

    thread: str
    checkpoint: str


class AskKind(StrEnum):
    """What an answer to a question decides."""

    APPROVAL = "approval"
    """Whether a tool is called: `approve`, `edit` with other arguments, `reject` with or without a reason."""
    CHOICE = "choice"
    """One of the options: `respond` with it."""
    TEXT = "text"
    """Free text: `respond` with it."""
    UNCERTAIN = "uncertain"
    """What to do about an effect of which nobody knows whether it happened: `check`, `repeat` or `drop`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question at which the agent stopped."""

    interrupt: str
    """LangGraph's id of it: one for each tool call, whatever that call asks."""
    index: int
    """How many questions the same call asked before this one."""
    call: str
    """The id of the tool call."""
    kind: AskKind
    tool: str
    arguments: Mapping[str, object]
    text: str
    """The question in plain words, as far as the agent knows them; empty for an approval."""
    options: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """A recorded answer. `value` is what the agent goes on with: `{"type": "approve"}` and so on, as AskKind lists."""

    interrupt: str
    index: int
    call: str
    value: Json


@dataclass(frozen=True, slots=True)
class Cost:
    """What a segment took."""

    model: str = ""
    model_calls: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left of the run's budget."""

    model_calls: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a run: from its beginning, or from an accepted checkpoint."""

    question: Question
    thread: str
    """What the names of the run's checkpoint threads begin with: unique to the run and the holder's epoch."""
    budget: Budget
    accepted: Pointer | None = None
    answers: Sequence[Given] = ()
    """All that were recorded for this run, the oldest first. Those that the checkpoint holds already are passed over."""
    afresh: str = ""
    """Go on in a new thread from the messages of the accepted checkpoint, because the agent is another one now. Calls that
    were not done are answered with these words."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a segment ended: with an answer, at questions, or (neither) drained, to be gone on with from `pointer`."""

    cost: Cost
    answer: Answer | None = None
    asked: Sequence[Asked] = ()
    pointer: Pointer | None = None


@dataclass(frozen=True, slots=True)
class Effected:
    """What the ledger holds of a call."""

    state: EffectState
    attempt: int
    arguments: str
    """A hash of them."""
    result: Json = field(default_factory=dict)
    why: str = ""


class Ledger(Protocol):
    """Remembers what calls did. Every write is conditional on the lease: LeaseLost where it is no longer ours."""

    async def find(self, *, key: str) -> Effected | None:
        """What is known of a call."""

    async def start(
        self, *, key: str, tool: str, effect: Effect, arguments: str, attempt: int, pointer: Pointer
    ) -> None:
        """Record that the call is about to leave; `pointer`, which holds its message, is accepted in the same write.

        Raises Stopped where the person said stop meanwhile.
        """

    async def finish(self, *, key: str, state: EffectState, result: Json, why: str = "") -> None:
        """Record what came of it."""


class Control(Protocol):
    """The run's side of the conversation with the agent."""

    async def before_step(self) -> None:
        """Called before every model and tool call. Raises LeaseLost when the run is no longer ours, and Stopped."""

    async def progress(self, text: str) -> None:
        """Tell the person what is being done. Best effort; returns at once."""

    async def arrivals(self) -> Sequence[Question]:
        """What the person said since and the run has not seen yet, the oldest first, to be taken in now.

        Called right before a model call: whoever calls must put them into the run.
        """

    def waiting(self) -> bool:
        """True when there are arrivals: calls not yet started are skipped for them."""

    def permission(self, *, tool: str, effect: Effect, arguments: Json) -> Permission:
        """Whether this call may be made."""

    @property
    def ledger(self) -> Ledger:
        """What calls did."""

    def draining(self) -> bool:
        """True when the segment should end between two steps: its time is over, or the host stops."""

"""What can be swapped, as Protocols with keyword-only arguments. Plug-ins import this and what lies below it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import BaseModel

from shared.messages import Address, Attachment, InboundEvent, OutboundMessage, Progress
from shared.settings import Settings
from shared.steps import Step

if TYPE_CHECKING:
    import aiohttp
    from langchain_core.language_models import BaseChatModel
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.store.base import BaseStore

Json = dict[str, Any]
"""A JSON object. Its values are whatever its owner's pydantic model says."""


class Clock(Protocol):
    """Time, so that tests can set it."""

    def now(self) -> datetime:
        """The present as an aware UTC datetime."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""


# --- the store ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Partition:
    """A hierarchical partition key: the tenant first, then a conversation, a user or a pointer."""

    tenant: str
    key: str


@dataclass(frozen=True, slots=True)
class Document:
    """A stored JSON document. `body` holds the reserved fields too; `etag` changes with every write.

    Reserved fields of a body, all optional: `kind` (str) and `n` (int) for queries, `state` (str), `wake_at` (aware
    UTC, ISO 8601) with `ring` (str) when somebody must still act, `ttl` (seconds from the last write) when finished.
    """

    partition: Partition
    id: str
    body: Json
    etag: str


@dataclass(frozen=True, slots=True)
class Create:
    """Fails with Conflict(exists=True) where the id is taken."""

    id: str
    body: Json


@dataclass(frozen=True, slots=True)
class Replace:
    """Fails with Conflict where the document is gone or its etag differs."""

    id: str
    body: Json
    etag: str


@dataclass(frozen=True, slots=True)
class Put:
    """Unconditional: only for what is not truth, such as progress."""

    id: str
    body: Json


@dataclass(frozen=True, slots=True)
class Delete:
    """Fails with Conflict where the document is gone or its etag differs."""

    id: str
    etag: str


Operation = Create | Replace | Put | Delete

BATCH_OPERATIONS = 100
"""Cosmos DB: the most operations in one transactional batch."""
BATCH_BYTES = 2 * 1024 * 1024
"""Cosmos DB: the largest transactional batch, and the largest document."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a cross-partition query, and what to pass to get the next (empty: there is none)."""

    documents: tuple[Document, ...]
    continuation: str = ""


class Store(Protocol):
    """A document store with what Cosmos DB can do and nothing more.

    Every method raises StoreUnavailable when the service does not answer.
    """

    async def read(self, *, partition: Partition, id: str) -> Document | None:
        """Point-read one document."""

    async def query(
        self,
        *,
        partition: Partition,
        kind: str,
        states: Sequence[str] = (),
        after: int | None = None,
        before: int | None = None,
        descending: bool = False,
        limit: int = 100,
    ) -> Sequence[Document]:
        """Documents of a kind inside one partition, by their `n`; `after` and `before` exclude their own value."""

    async def batch(self, *, step: Step, partition: Partition, operations: Sequence[Operation]) -> Sequence[str]:
        """Do all operations in one transaction, or none; return the new etags in order (empty for a delete).

        Raises Conflict with the index of the first operation that failed, and TooLarge past Cosmos DB's limits.
        """

    async def due(self, *, now: datetime, rings: Sequence[str] = (), limit: int = 100, continuation: str = "") -> Page:
        """Across partitions: documents whose `wake_at` is not later than `now`, the earliest first."""

    async def dead_letters(self, *, tenant: str, limit: int = 100, continuation: str = "") -> Page:
        """Across partitions: open documents of kind `dead_letter`, the newest first."""

    async def close(self) -> None:
        """Let go of connections and files."""


# --- queues ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """What is sent to a queue. `id` is the broker's message id; `enqueue_at` schedules it."""

    body: bytes
    id: str
    session: str = ""
    enqueue_at: datetime | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


class Queue(Protocol):
    """The sending half of a broker: all that the stages need, since the Functions host receives."""

    async def send(self, *, step: Step, queue: str, messages: Sequence[QueueMessage]) -> None:
        """Send as one batch; return when it is committed. Raises QueueUnavailable, or TooLarge."""

    async def close(self) -> None:
        """Let go of connections and files."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message under a lock. `queue` may be a dead-letter path; then reason and description say why it is there."""

    queue: str
    body: bytes
    id: str
    session: str
    lock_token: str
    locked_until: datetime
    delivery_count: int
    sequence_number: int
    enqueued_at: datetime
    properties: Mapping[str, str]
    dead_letter_reason: str = ""
    dead_letter_description: str = ""


class Broker(Queue, Protocol):
    """A whole broker with Service Bus's semantics: what the embedded host receives from."""

    async def receive(self, *, queue: str, limit: int, timeout: float = 0.0) -> Sequence[Received]:
        """Lock up to `limit` messages of a queue without sessions (or of a dead-letter path).

        Where there are none, it waits for up to `timeout` seconds; it may return with none before.
        """

    async def accept_session(self, *, queue: str) -> str | None:
        """Lock a session that has messages and that nobody holds; None when there is none; never waits."""

    async def receive_session(
        self, *, queue: str, session: str, limit: int, timeout: float = 0.0
    ) -> Sequence[Received]:
        """Lock the next messages of a session held by this broker, in order; waits as `receive` does."""

    async def release_session(self, *, queue: str, session: str) -> None:
        """Give a session back."""

    async def renew(self, *, message: Received) -> datetime:
        """Renew the lock of the message, or of its session; raises Conflict when it was lost."""

    async def complete(self, *, step: Step, message: Received) -> None:
        """Settle: remove it. Raises Conflict when the lock was lost."""

    async def abandon(self, *, message: Received) -> None:
        """Settle: give it back at once; at the queue's max delivery count it is dead-lettered by the broker."""

    async def dead_letter(self, *, message: Received, reason: str, description: str) -> None:
        """Settle: move it to the queue's dead-letter queue."""

    async def wait(self, *, queues: Sequence[str], timeout: float, session: str = "") -> None:
        """Return when one of the queues may have something to receive, or after `timeout` seconds.

        With a `session` that this broker holds: when there may be something in that session.
        """


# --- channels -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """An HTTP request as it came in. Header names are lower-case."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """What a webhook answers with."""

    status: int = 200
    body: bytes = b""
    media_type: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a verified request means: the events to queue, and the response once they are committed."""

    events: Sequence[InboundEvent] = ()
    response: WebhookResponse = field(default_factory=WebhookResponse)


class Sending(StrEnum):
    """How a part leaves: by a call to the platform, or by the very write that marks it sent."""

    CALL = "call"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a platform can do, as far as the stages care."""

    sending: Sending = Sending.CALL
    idempotent: bool = False
    """True where the platform drops a second send that carries the same key."""
    buttons: bool = True


class Channel(Protocol):
    """One chat platform, translated: no business rule lives in an adapter."""

    name: str
    capabilities: Capabilities

    def verify(self, *, request: WebhookRequest) -> None:
        """Check the proof on the raw bytes, in constant time. Raises Unverified; any other exception counts as it."""

    def parse(self, *, request: WebhookRequest, received_at: datetime) -> Parsed:
        """Normalise a verified request. What cannot be understood becomes an event of kind UNREADABLE."""

    def render(self, *, message: OutboundMessage) -> Sequence[Json]:
        """Split and format into the platform's parts, each small enough to be sent alone. Pure."""

    async def send(self, *, address: Address, part: Json, key: str, repeat: bool) -> str:
        """Send one part and return the platform's id of it. `repeat`: it may be there already, so say so or use `key`.

        Raises NotTaken, OutcomeUnknown or Refused.
        """

    async def show(self, *, address: Address, progress: Progress | None, handle: str) -> str:
        """Show what is being done (None: nothing any more); return a handle for the next call. Never raises PraxosError."""

    def fetch(self, *, attachment: Attachment) -> AsyncIterator[bytes]:
        """The bytes of an attachment that has a `ref`. Raises NotTaken or Refused."""

    async def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class Registrable(Protocol):
    """A channel whose platform has to be told where its webhook is: `python -m local channels setup` does."""

    async def register(self, *, url: str, commands: Mapping[str, str]) -> Sequence[str]:
        """Register the webhook at the public address `url` and the command menu; return lines for whoever asked.

        May be repeated. Raises SettingError where the address cannot do, or what a call to the platform raises.
        """


class Orchestrations(Protocol):
    """What goes on with runs that were handed over: it waits, wakes up and runs segments. The truth is in the store."""

    async def wake(self, *, instance: str, reference: str) -> None:
        """Make sure that an unfinished instance is there, and that it looks at its run soon. Never for an ended run.

        `reference` is what the instance is started with. Raises QueueUnavailable.
        """


# --- models, tools and what they lean on ----------------------------------------------------------------------


class ModelProvider(Protocol):
    """A maker of chat models."""

    def configured(self) -> bool:
        """True when its settings are complete."""

    def chat_model(self, *, name: str) -> BaseChatModel:
        """The chat model of that name, or the provider's default for an empty one. May take seconds: run in a thread.

        It has a time-out on every call and leaves trying again to its caller. It raises LangChain's ModelError, or its
        client's own error with the `response`; whatever else it raises counts as passing trouble.
        """


class Effect(StrEnum):
    """What a tool does to the world."""

    READ = "read"
    WRITE = "write"
    DESTRUCTIVE = "destructive"


class Permission(StrEnum):
    """Whether a tool may be called."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Reminder:
    """A reminder of a user, to be told in the conversation where it was set."""

    id: str
    text: str
    due_at: datetime
    repeat: str = ""
    """A cron expression of five fields in the user's time zone, or empty."""


class Reminders(Protocol):
    """A user's reminders. Times are aware UTC."""

    async def set(self, *, key: str, text: str, due_at: datetime, repeat: str = "") -> Reminder:
        """Create one; the same `key` gives the same reminder, however often it is called."""

    async def list(self) -> Sequence[Reminder]:
        """The open ones, the next due first."""

    async def done(self, *, key: str) -> Reminder | None:
        """What a call of this `key` set, changed or cancelled before, as it is now; None where there was none."""

    async def change(
        self,
        *,
        id: str,
        text: str | None = None,
        due_at: datetime | None = None,
        repeat: str | None = None,
        key: str = "",
    ) -> Reminder:
        """Change what is given; the same `key` changes once. Raises ToolError where there is no such reminder."""

    async def cancel(self, *, id: str, key: str = "") -> Reminder:
        """Cancel one; the same `key` cancels once. Raises ToolError where there is no such reminder."""


@dataclass(frozen=True, slots=True)
class Memo:
    """Something that a user asked to be remembered."""

    key: str
    text: str
    written_at: datetime


class Memory(Protocol):
    """A user's long-term memory."""

    async def remember(self, *, key: str, text: str) -> Memo:
        """Keep a text; the same `key` overwrites."""

    async def recall(self, *, query: str = "", limit: int = 10) -> Sequence[Memo]:
        """The memos that match the words of the query best; all, the newest first, without one."""

    async def forget(self, *, key: str = "") -> int:
        """Forget one, or everything without a key; return how many."""


class Limits(Protocol):
    """What a person may do, and how much of it."""

    async def refusal(self, *, user: str, action: str) -> str | None:
        """Why the person may not do it now, in words for them; None when they may."""


class MemoryStore(Protocol):
    """What long-term memory is kept in: a store of LangGraph's interface."""

    async def open(self) -> BaseStore:
        """The open store, opened on the first call. Raises StoreUnavailable, or SettingError."""

    async def close(self) -> None:
        """Let go of connections and files."""


class Checkpoints(Protocol):
    """What a run's state is kept in between segments: a saver of LangGraph's interface."""

    async def open(self) -> BaseCheckpointSaver[Any]:
        """The open saver, opened on the first call. Raises StoreUnavailable, or SettingError."""

    async def discard(self, *, threads: Sequence[str]) -> None:
        """Remove threads that nobody will go on from. Best effort."""

    async def close(self) -> None:
        """Let go of connections and files."""


class Preferences(Protocol):
    """What a user set about themselves."""

    async def set_time_zone(self, *, name: str) -> None:
        """Keep an IANA zone name."""


class ToolError(Exception):
    """A tool could not do it. The message is for the person: plain words, what went wrong and what to do.

    From a tool that writes it also says for certain that nothing was done. One that does not know raises OutcomeUnknown;
    any other exception counts as that.
    """


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool call may lean on. `key` is an idempotency key: the same for the same call of the same turn."""

    key: str
    now: datetime
    time_zone: str
    user: str
    conversation: str
    reminders: Reminders
    memory: Memory
    preferences: Preferences
    files: Files
    attachments: Sequence[Attachment] = ()
    """The files that the user sent with this message."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool says to the model, and files that go to the person with the reply."""

    text: str
    attachments: Sequence[Attachment] = ()


class Tool(Protocol):
    """Something the assistant can do."""

    name: str
    description: str
    arguments: type[BaseModel]
    effect: Effect
    progress: str
    """What the person sees while it runs, such as `Reading a web page`."""

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """Do it. Raises ToolError with words for the person, OutcomeUnknown from a write; any other exception is a bug."""


@runtime_checkable
class Repeatable(Protocol):
    """A tool that writes and can be called again with the same key, to the same effect as once: our own store's tools.

    Of a call that was cut off nobody needs to be asked then; any other one is never repeated without asking.
    """

    repeatable: bool


@runtime_checkable
class Checkable(Protocol):
    """A tool that can find out whether an earlier call of the same key was done."""

    async def check(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult | None:
        """The result that it had; None when it was certainly not done. Raises OutcomeUnknown where that cannot be told."""


@runtime_checkable
class Describing(Protocol):
    """A tool whose progress depends on its arguments."""

    def doing(self, *, arguments: BaseModel) -> str:
        """What the person sees while it runs."""


@runtime_checkable
class Explaining(Protocol):
    """A tool that can say what a call would do, so that a person who must approve it understands it."""

    def explain(self, *, arguments: BaseModel) -> str:
        """Plain words that complete “May I …?”: `forget everything that I remember about you`."""


@runtime_checkable
class Asking(Protocol):
    """A tool whose result is what the person answers. It is never called."""

    def question(self, *, arguments: BaseModel) -> tuple[str, Sequence[str]]:
        """The question, and the options to choose from; no options: any text is an answer."""


# --- files and secrets ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file's description. `id` cannot be guessed and says nothing of its content."""

    id: str
    name: str
    media_type: str
    size: int
    owner: str
    """The conversation that may read it."""


class Files(Protocol):
    """Bodies too large for a queue, media, long tool results."""

    async def put(
        self, *, owner: str, name: str, media_type: str, content: bytes | AsyncIterator[bytes], keep: timedelta
    ) -> StoredFile:
        """Store a file until `keep` is over. Raises TooLarge past the limit of the settings."""

    async def describe(self, *, id: str) -> StoredFile | None:
        """What is known of a file; None when it is gone."""

    async def get(self, *, id: str) -> bytes | None:
        """The content; None when it is gone."""

    async def close(self) -> None:
        """Let go of connections."""


class SecretStore(Protocol):
    """Secrets by name. The names are made by `shared.ids.secret`."""

    async def get(self, *, name: str) -> str | None:
        """The secret's value; None when there is none."""

    async def create(self, *, name: str, value: str) -> str:
        """Keep the value if there is none yet; return the one that is there now."""

    async def put(self, *, name: str, value: str) -> None:
        """Overwrite."""

    async def disable(self, *, name: str) -> None:
        """Make it unreadable. Names are never deleted: Key Vault blocks a deleted name for up to 90 days."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a plug-in may be built from. Every `build(parts)` in the registry takes exactly this."""

    settings: Settings
    environ: Mapping[str, str]
    clock: Clock
    http: Callable[[], aiohttp.ClientSession]
    """One client session for the whole process, made on first use."""
    files: Callable[[], Files]
    secrets: Callable[[], SecretStore]

"""The domain's words: what comes in, what goes out, and the errors between."""

# No annotations from the future: pydantic would compile each from its text, at every start.
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared import ids

BUTTON_VALUE_BYTES = 64
"""Telegram's limit on `callback_data`, the smallest of all platforms."""


LONGEST_TEXT = 200_000
"""Characters. What a channel takes in at most as text, so that a turn fits into one transaction of the store."""


def clean(text: str) -> str:
    """Text that every store and platform can hold: no NUL, and no half of a surrogate pair."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


class Word(BaseModel):
    """A value that crosses a boundary: immutable, and strict about unknown fields."""

    # Building each by itself would cost a cold start more than building what a stage uses.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class EventKind(StrEnum):
    """What a person, or a timer on a person's behalf, did."""

    MESSAGE = "message"
    EDITED = "edited"
    PRESS = "press"
    REMINDER = "reminder"
    UNREADABLE = "unreadable"


class Sender(Word):
    """Who caused an event, in the platform's own terms."""

    external_id: str
    name: str = ""
    language: str = ""
    time_zone: str = ""
    """The IANA name of their zone, where the platform tells it."""


class Attachment(Word):
    """A file beside a text.

    `file` is our own id in Files. `ref` is the platform's reference for one that nobody has fetched yet.
    """

    name: str
    media_type: str
    size: int | None = None
    file: str = ""
    ref: str = ""


class InboundEvent(Word):
    """One verified provider event, normalised. It is what travels on the `inbound` queue."""

    id: str
    tenant: str
    channel: str
    account: str
    chat: str
    thread: str = ""
    kind: EventKind
    sender: Sender
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    group: bool = False
    message: str = ""
    """The platform's id of the message, which a reply can quote."""
    button: str = ""
    sent_at: datetime | None = None
    received_at: datetime
    reason: str = ""
    """Why an UNREADABLE event could not be understood."""
    traceparent: str = ""
    tracestate: str = ""
    late: bool = False
    """True when it entered the mailbox from a dead-letter queue, after its turn."""

    @property
    def conversation(self) -> str:
        """The id of the conversation that the event belongs to."""
        if self.kind is EventKind.UNREADABLE and not self.chat:
            return ids.unrouted(tenant=self.tenant, channel=self.channel, account=self.account)
        return ids.conversation(
            tenant=self.tenant, channel=self.channel, account=self.account, chat=self.chat, thread=self.thread
        )


def said(event: InboundEvent) -> str:
    """The text that an event stands for: what was typed, or what a `say:` button says."""
    if event.kind is EventKind.PRESS and event.button.startswith("say:"):
        return event.button.removeprefix("say:")
    return event.text


class Bell(Word):
    """The body of a message that only rings: it says which conversation to look at, never what to do there."""

    tenant: str
    conversation: str
    subject: str = ""
    """The id of the one thing meant, where a bell is about one: a dead letter, a reminder."""
    attempt: int = 0
    again: bool = False
    """True for the second look at what the first one may have come too early for."""
    traceparent: str = ""
    tracestate: str = ""


class ButtonStyle(StrEnum):
    """How a button is painted where the platform can."""

    PLAIN = "plain"
    PRIMARY = "primary"
    DANGER = "danger"


class Button(Word):
    """A choice under a message. Pressing one whose value starts with `say:` is the same as typing the rest."""

    label: str = Field(min_length=1, max_length=75)
    value: str
    style: ButtonStyle = ButtonStyle.PLAIN

    @field_validator("value")
    @classmethod
    def _fits(cls, value: str) -> str:
        if not 0 < len(value.encode()) <= BUTTON_VALUE_BYTES:
            raise ValueError(f"a button's value has 1 to {BUTTON_VALUE_BYTES} bytes, not {len(value.encode())}")
        return value


class OutboundMessage(Word):
    """What the assistant says, in Markdown, before a channel renders it into parts."""

    text: str
    attachments: tuple[Attachment, ...] = ()
    buttons: tuple[tuple[Button, ...], ...] = ()
    reply_to: str = ""


class Address(Word):
    """Where a conversation's replies go."""

    tenant: str
    channel: str
    account: str
    chat: str
    thread: str = ""

    @property
    def conversation(self) -> str:
        """The id of the conversation at this address."""
        return ids.conversation(
            tenant=self.tenant, channel=self.channel, account=self.account, chat=self.chat, thread=self.thread
        )


class Progress(Word):
    """What the assistant is doing at this moment, in plain words. Best effort: never part of the truth."""

    text: str
    since: datetime


# PraxosError
# ├── SettingError            a setting is missing or malformed: one line that names it
# ├── Unverified              a webhook's proof is missing or wrong: 401
# ├── Unreadable              verified, but cannot be understood: a dead letter
# ├── LeaseLost               another holder took over: stop, write nothing
# ├── Conflict                a conditional write lost its race
# ├── NotThere                what was asked for does not exist
# ├── MovedOn                 what was to be changed is not, or no longer, in the state that this needs
# ├── Transient               may pass by itself: recorded, rung again later
# │   ├── StoreUnavailable
# │   ├── QueueUnavailable
# │   ├── ModelUnavailable
# │   └── NotTaken            the platform certainly took nothing
# ├── OutcomeUnknown          the platform may have taken it
# └── Permanent               will never pass: a dead letter
#     ├── Refused             the platform said no
#     ├── TooLarge
#     └── BudgetSpent         a turn ran out of time, model calls or tool calls


class PraxosError(Exception):
    """The root of everything that Praxos raises on purpose."""


class SettingError(PraxosError):
    """A setting is missing or malformed. The message is one line and names it."""


class Unverified(PraxosError):
    """A webhook without valid proof of where it comes from."""


class Unreadable(PraxosError):
    """A verified event that cannot be understood."""


class LeaseLost(PraxosError):
    """The lease's epoch moved on: whoever still works on the old one must stop and write nothing."""


class Conflict(PraxosError):
    """A conditional write found something else than it expected.

    `index` is the operation of the batch that failed; `exists` is True when it was a create of an id that is taken.
    """

    def __init__(self, message: str, *, index: int = 0, exists: bool = False) -> None:
        super().__init__(message)
        self.index = index
        self.exists = exists


class NotThere(PraxosError):
    """What was asked for does not exist."""


class MovedOn(PraxosError):
    """What was to be changed is not, or no longer, in the state that this needs. The message says how it stands."""


class Transient(PraxosError):
    """Trouble that may pass by itself. `retry_after` is in seconds, as the other side asked for, or None."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreUnavailable(Transient):
    """The store did not answer."""


class QueueUnavailable(Transient):
    """The queue did not take a message."""


class ModelUnavailable(Transient):
    """No configured model answers at this moment."""


class NotTaken(Transient):
    """The platform certainly took nothing: it said 429, or no connection was made."""


class OutcomeUnknown(PraxosError):
    """The platform may or may not have taken it: a time-out, a lost response, a 5xx."""


class Permanent(PraxosError):
    """It will never pass."""


class Refused(Permanent):
    """The platform understood and said no."""


class TooLarge(Permanent):
    """It does not fit where it has to go."""


class BudgetSpent(Permanent):
    """A turn used up its time, its model calls or its tool calls."""

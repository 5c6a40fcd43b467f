"""The documents of what is said, as they are stored: the outbox, its parts, and what the web page shows."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from shared.conversation.records import Leased, Record
from shared.conversation.states import (
    PartState,
)
from shared.messages import Address, Attachment, Button


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
    address: Address | None = None
    """Where the parts go, noted with the first one: it is the conversation's and never changes."""


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
    tracestate: str = ""
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

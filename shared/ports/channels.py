"""The chat platforms."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from shared.messages import Address, Attachment, InboundEvent, OutboundMessage, Progress

if TYPE_CHECKING:
    from shared.ports.store import Json


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

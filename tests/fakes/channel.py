"""A chat platform in memory: it records what it is sent, and answers as it is told."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared import ids
from shared.messages import (
    Address,
    Attachment,
    EventKind,
    InboundEvent,
    OutboundMessage,
    Progress,
    Sender,
    Unverified,
)
from shared.ports import Capabilities, Parsed, Sending, WebhookRequest

SECRET = "right"
PART_LENGTH = 40


@dataclass(frozen=True)
class Sent:
    address: Address
    text: str
    key: str
    repeat: bool


class FakeChannel:
    """Splits at 40 characters, so that long replies have several parts."""

    name = "fake"

    def __init__(self, *, sending: Sending = Sending.CALL) -> None:
        self.capabilities = Capabilities(sending=sending)
        self.sent: list[Sent] = []
        self.shown: list[str | None] = []
        self.outcomes: deque[Exception | None] = deque()
        """What the next sends come to: an exception to raise, or None for taken."""
        self.after_taking: deque[Exception] = deque()
        """Raised after the platform took a part: the response got lost."""

    def verify(self, *, request: WebhookRequest) -> None:
        if request.headers.get("x-secret") != SECRET:
            raise Unverified("wrong secret")

    def parse(self, *, request: WebhookRequest, received_at: datetime) -> Parsed:
        body = json.loads(request.body)
        return Parsed(events=[event(**body, received_at=received_at)])

    def render(self, *, message: OutboundMessage) -> Sequence[dict[str, Any]]:
        text = message.text
        return [{"text": text[at : at + PART_LENGTH]} for at in range(0, len(text), PART_LENGTH)]

    async def send(self, *, address: Address, part: dict[str, Any], key: str, repeat: bool) -> str:
        outcome = self.outcomes.popleft() if self.outcomes else None
        if outcome:
            raise outcome
        self.sent.append(Sent(address, part["text"], key, repeat))
        if self.after_taking:
            raise self.after_taking.popleft()
        return f"m{len(self.sent)}"

    async def show(self, *, address: Address, progress: Progress | None, handle: str) -> str:
        self.shown.append(progress.text if progress else None)
        return "shown"

    async def fetch(self, *, attachment: Attachment) -> AsyncIterator[bytes]:
        yield b"content"

    async def close(self) -> None:
        """Nothing is open."""


def event(
    text: str,
    *,
    n: int | str = 1,
    chat: str = "chat",
    received_at: datetime,
    sender: str = "ann",
    kind: EventKind = EventKind.MESSAGE,
    **changes: Any,
) -> InboundEvent:
    """An event of the fake platform."""
    return InboundEvent(
        id=ids.event(tenant="main", channel="fake", account="bot", provider_id=str(n)),
        tenant="main",
        channel="fake",
        account="bot",
        chat=chat,
        kind=kind,
        sender=Sender(external_id=sender, name=sender.title()),
        text=text,
        received_at=received_at,
        **changes,
    )

"""The queues: what the stages send to, and what the embedded host receives from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.steps import Step


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

"""The queues and what each of them is set to, for the broker, the embedded host and the deployment alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

INBOUND = "inbound"
TURNS = "turns"
BACKGROUND = "background"
OUTBOUND = "outbound"
DEAD_LETTERS = "dead-letters"

DEAD_LETTER_SUFFIX = "/$DeadLetterQueue"
"""Service Bus: the path of a queue's own dead-letter queue."""

MAX_MESSAGE_BYTES = 256 * 1024
"""Service Bus Standard: the largest message, properties included."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """What a queue is created with; the names are Service Bus's own."""

    requires_session: bool = False
    duplicate_detection: timedelta | None = None
    lock_duration: timedelta = timedelta(seconds=60)
    max_delivery_count: int = 10


QUEUES = MappingProxyType(
    {
        INBOUND: QueueSettings(requires_session=True, duplicate_detection=timedelta(hours=1)),
        TURNS: QueueSettings(),
        BACKGROUND: QueueSettings(),
        OUTBOUND: QueueSettings(),
        DEAD_LETTERS: QueueSettings(),
    }
)
"""Only `inbound` has duplicate detection: elsewhere the broker would swallow a bell whose id was used before."""

"""What Service Bus refuses to take, and so every other broker does too."""

from __future__ import annotations

from collections.abc import Sequence

from shared.messages import Refused, TooLarge
from shared.ports import QueueMessage
from shared.topology import MAX_MESSAGE_BYTES, QueueSettings

ID_LENGTH = 128
"""Service Bus: the most characters of a message id and of a session id."""


def check(queue: str, settings: QueueSettings, messages: Sequence[QueueMessage]) -> None:
    """Refuse what Service Bus refuses. Raises Refused, or TooLarge."""
    size = 0
    for message in messages:
        if len(message.id) > ID_LENGTH or len(message.session) > ID_LENGTH:
            raise Refused(f"{queue}: message and session ids have at most {ID_LENGTH} characters")
        if settings.requires_session and not message.session:
            raise Refused(f"{queue} has sessions: message {message.id} names none")
        size += len(message.body) + len(message.id.encode()) + len(message.session.encode())
        if message.properties:
            size += sum(len(name.encode()) + len(value.encode()) for name, value in message.properties.items())
    if size > MAX_MESSAGE_BYTES:
        raise TooLarge(f"{queue}: {size} bytes in one batch, and Service Bus takes {MAX_MESSAGE_BYTES}")

"""Files in a run's state: references beside the messages, never their content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage

from shared.messages import Attachment
from shared.ports import Json

SENT = "files"
"""On a person's message: what they sent with it."""
OUT = "attachments"
"""On a tool's result, and on the summary of results: what goes to the person with the answer."""
STORED = "stored"
"""Likewise: long results, which the model can read on in."""


def dumped(files: Iterable[Attachment]) -> list[Json]:
    """References as plain JSON, as state and ledger keep them."""
    return [file.model_dump(mode="json") for file in files]


def outgoing(messages: Sequence[BaseMessage]) -> list[Attachment]:
    """What goes to the person with the answer, in the order in which it was made."""
    return _loaded(messages, OUT)


def stored(messages: Sequence[BaseMessage]) -> list[Attachment]:
    """Long results."""
    return _loaded(messages, STORED)


def readable(messages: Sequence[BaseMessage]) -> list[Attachment]:
    """What tools can read by its name: what the person sent, and long results."""
    return [*_loaded(messages, SENT), *stored(messages)]


def _loaded(messages: Sequence[BaseMessage], name: str) -> list[Attachment]:
    return [Attachment.model_validate(one) for message in messages for one in _beside(message).get(name, ())]


def _beside(message: BaseMessage) -> Json:
    if isinstance(message, ToolMessage):
        return message.artifact if isinstance(message.artifact, dict) else {}
    return message.additional_kwargs if isinstance(message, HumanMessage) else {}

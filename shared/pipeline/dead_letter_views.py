"""Dead letters as operators see them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared import ids
from shared.conversation.dead_letter_records import About, Action, DeadLetter, Failure
from shared.conversation.states import DeadLetterState
from shared.messages import InboundEvent, Word
from shared.ports import Json, Partition

PREFIX = "dl-"


class Summary(Word):
    """One line of the list. It never shows what people wrote."""

    id: str
    at: datetime
    about: About
    state: DeadLetterState
    conversation: str
    reason: str
    failures: int
    """How often it could not be handled: more than once after a replay that failed again."""


class Listing(Word):
    """A page of the list, and what to pass to get the next (empty: there is none)."""

    letters: tuple[Summary, ...]
    continuation: str = ""


class Details(Summary):
    """Everything about one dead letter, with what people wrote."""

    subject: str
    earlier: tuple[Failure, ...]
    actions: tuple[Action, ...]
    words: str
    told_at: datetime | None
    event: InboundEvent | None
    queue: str
    body: str
    traceparent: str
    concerned: dict[str, Json]
    """The documents that it is about, by their ids, as they are now."""


def letter_id(partition: Partition, document: str) -> str:
    """The id by which operators name a dead letter: it leads to its document by itself."""
    return PREFIX + ids.pack(partition.tenant, partition.key, document)


def place_of(id: str) -> tuple[Partition, str] | None:
    """The partition and the document that an id leads to; None where it is no such id."""
    fields = ids.unpack(id.removeprefix(PREFIX)) if id.startswith(PREFIX) else ()
    if len(fields) != 3:
        return None
    tenant, key, document = fields
    return Partition(tenant, key), document


def summary(partition: Partition, document: str, letter: DeadLetter) -> Summary:
    """A dead letter as a line of the list."""
    return Summary(**_summary(partition, document, letter))


def details(partition: Partition, document: str, letter: DeadLetter, concerned: Mapping[str, Json]) -> Details:
    """A dead letter with everything that is known about it."""
    return Details(
        **_summary(partition, document, letter),
        subject=letter.subject,
        earlier=letter.earlier,
        actions=letter.actions,
        words=letter.words,
        told_at=letter.told_at,
        event=letter.event,
        queue=letter.queue,
        body=letter.body,
        traceparent=letter.traceparent,
        concerned=dict(concerned),
    )


def _summary(partition: Partition, document: str, letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter_id(partition, document),
        "at": letter.at,
        "about": letter.about,
        "state": letter.state,
        "conversation": letter.event.conversation if letter.event else partition.key,
        "reason": letter.reason,
        "failures": len(letter.earlier) + 1,
    }

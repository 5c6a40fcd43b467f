"""Appending to the outbox: whoever has something to say adds parts, conditional on the outbox's own record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared import ids
from shared.conversation.partition import Stored, Transaction, part_id
from shared.conversation.records import OutboxRecord, PageItem, PageRole, Part
from shared.messages import InboundEvent, OutboundMessage
from shared.ports import Json
from shared.topology import OUTBOUND

RUNG = timedelta(minutes=1)
"""How long after a bell was sent the sweeper rings again."""

Render = Callable[[OutboundMessage], Sequence[Json]]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Something to say, with the name that makes a second append of it the same one."""

    name: str
    message: OutboundMessage
    event: str = ""
    notice: bool = False
    traceparent: str = ""


def append(
    transaction: Transaction,
    outbox: Stored[OutboxRecord],
    outgoing: Sequence[Outgoing],
    *,
    render: Render,
    now: datetime,
    page_items: int = 0,
) -> OutboxRecord:
    """Add the parts of messages, and the outbox's new head, to a transaction. `page_items` were published beside it."""
    head = outbox.record
    number = head.parts
    for item in outgoing:
        for index, payload in enumerate(render(item.message)):
            number += 1
            part = Part(
                n=number,
                message=item.name,
                payload=payload,
                key=ids.fit(f"{item.name}:{index}", length=ids.MESSAGE_LENGTH),
                event=item.event,
                notice=item.notice,
                traceparent=item.traceparent,
            )
            transaction.create(part_id(number), part)
    changes: dict[str, object] = {"parts": number, "published": head.published + page_items}
    if number > head.parts and head.wake_at is None:
        changes.update(wake_at=now + RUNG, ring=OUTBOUND)
    appended: OutboxRecord = head.with_(**changes)
    transaction.save(outbox, appended)
    return appended


def page_id(n: int) -> str:
    """The id of an item of the web page."""
    return f"page:{n}"


def said_by_person(event: InboundEvent, *, n: int) -> PageItem:
    """What the person said, as an item of the web page."""
    return PageItem(
        n=n,
        role=PageRole.PERSON,
        text=event.text,
        attachments=event.attachments,
        event=event.id,
        at=event.received_at,
    )

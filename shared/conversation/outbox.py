"""Appending to the outbox: whoever has something to say adds parts, conditional on the outbox's own record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared import ids
from shared.conversation.outbox_records import OutboxRecord, PageItem, PageRole, Part
from shared.conversation.partition import Stored, Transaction, part_id
from shared.conversation.records import KEEP_FINISHED
from shared.conversation.states import PartState
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
    tracestate: str = ""


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
                at=now,
                traceparent=item.traceparent,
                tracestate=item.tracestate,
            )
            transaction.create(part_id(number), part)
    appended = _longer(head, parts=number, now=now).with_(published=head.published + page_items)
    transaction.save(outbox, appended)
    return appended


def move_to_end(
    transaction: Transaction,
    outbox: Stored[OutboxRecord],
    parts: Sequence[Stored[Part]],
    *,
    letter: str,
    now: datetime,
) -> None:
    """Send parts that were given up once more, behind everything else, with the keys that they had."""
    number = outbox.record.parts
    for part in parts:
        number += 1
        again = part.record.with_(
            n=number,
            state=PartState.PENDING,
            repeat=part.record.repeat or part.record.state is PartState.UNCERTAIN,
            starts=0,
            attempt=0,
            unknown=0,
            epoch=0,
            at=now,
            tried_at=None,
            letter=letter,
        )
        transaction.create(part_id(number), again)
        # The new part carries the text: two of each might not fit into one transaction.
        transaction.save(part, part.record.with_(state=PartState.MOVED, payload={}, ttl=KEEP_FINISHED))
    transaction.save_first(outbox, _longer(outbox.record, parts=number, now=now))


def _longer(head: OutboxRecord, *, parts: int, now: datetime) -> OutboxRecord:
    """The head with so many parts, and watched where there are new ones."""
    watched = {"wake_at": now + RUNG, "ring": OUTBOUND} if parts > head.parts and head.wake_at is None else {}
    return head.with_(parts=parts, **watched)


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

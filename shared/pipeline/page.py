"""Sending to the web page: the write that gives a part the page's next number is the sending."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shared.conversation.outbox import page_id
from shared.conversation.outbox_records import OutboxRecord, PageItem, PageRole, Part
from shared.conversation.partition import ConversationPartition, Stored, Transaction
from shared.conversation.records import KEEP_FINISHED
from shared.conversation.states import PartState
from shared.messages import Address, Conflict
from shared.steps import Step
from shared.telemetry import Metric, enabled, measure, span

AT_ONCE = 40
"""Two operations for each part, of the hundred that a transaction may have."""


async def publish(
    partition: ConversationPartition, box: Stored[OutboxRecord], *, address: Address, now: datetime
) -> None:
    """Put every pending part onto the page, in order. Needs no lease: only one writer can take the next number.

    `box`: the outbox's head, as it was read just now.
    """
    read: Stored[OutboxRecord] | None = box
    while True:
        box, read = read or await partition.outbox(), None
        parts = await partition.parts(after=box.record.settled, limit=AT_ONCE)
        if not parts:
            return
        transaction = Transaction()
        number = box.record.published
        for part in parts:
            number += 1
            sent = part.record.with_(state=PartState.SENT, sent_at=now, provider_id=str(number), ttl=KEEP_FINISHED)
            transaction.save(part, sent)
            transaction.create(page_id(number), _item(part.record, n=number, now=now))
        settled = parts[-1].record.n
        done = settled >= box.record.parts
        head = box.record.with_(settled=settled, published=number, address=address)
        transaction.save_first(box, head.with_(wake_at=None, ring=None) if done else head)
        try:
            await partition.commit(Step.RECORD_PART, transaction)
        except Conflict:
            continue
        if enabled():
            _note([part.record for part in parts], now)
        if done:
            return


def _note(parts: Sequence[Part], begun: datetime) -> None:
    """The parts as telemetry has them: each in the trace of its own message."""
    for part in parts:
        about: dict[str, str | int] = {
            "praxos.event": part.event,
            "praxos.channel": "web",
            "praxos.part": part.n,
            "praxos.outcome": "sent",
        }
        with span("delivery", parent=part, started_at=begun, attributes=about):
            if part.at:
                measure(Metric.DELIVERY_DURATION, (begun - part.at).total_seconds(), {"praxos.channel": "web"})


def _item(part: Part, *, n: int, now: datetime) -> PageItem:
    payload = part.payload
    return PageItem.model_validate(
        {
            "n": n,
            "role": PageRole.NOTICE if part.notice else PageRole.ASSISTANT,
            "text": payload.get("text", ""),
            "html": payload.get("html", ""),
            "attachments": payload.get("attachments", ()),
            "buttons": payload.get("buttons", ()),
            "event": part.event,
            "at": now,
        }
    )

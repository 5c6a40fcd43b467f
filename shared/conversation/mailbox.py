"""The mailbox: an event enters it once, with the next number, whoever delivers it and however often."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.conversation import outbox
from shared.conversation.lease import RACES
from shared.conversation.outbox import Outgoing, Render
from shared.conversation.partition import ConversationPartition, Stored, Transaction, entry_id
from shared.conversation.records import KEEP_FINISHED, RECORD, ConversationRecord, Entry, QueueMode
from shared.conversation.run_records import QuestionRecord
from shared.conversation.states import OPEN_ENTRIES, EntryState
from shared.messages import Address, Conflict, EventKind, InboundEvent
from shared.steps import Step
from shared.topology import BACKGROUND, TURNS

INTERRUPTING = (EventKind.MESSAGE, EventKind.EDITED, EventKind.PRESS)
"""What stops a run in the mode `interrupt`: something that the person did."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What an event that needs no turn comes to: changes of the record, and answers."""

    changes: dict[str, object]
    outgoing: Sequence[Outgoing]
    answer: tuple[Stored[QuestionRecord], QuestionRecord] | None = None
    """A question of this conversation that the event answers, as it was read and as it becomes: the same transaction."""
    ring: bool = False
    """True when the changes are something that the holder of the lease must see, such as a stop."""


Decide = Callable[[ConversationRecord], Settled | None]
"""Decides, from the record as it is now, whether an event is settled on arrival."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where an event stands after it was delivered."""

    new: bool
    open: bool
    """True while a turn must still be rung for."""
    answered: bool
    """True when the arrival itself put something into the outbox."""
    queue: str = TURNS


@dataclass(frozen=True, slots=True)
class Replay:
    """An event that an operator enters again out of a dead letter."""

    letter: str
    failed: bool
    """True when the person was told that it could not be handled."""
    close: Callable[[Transaction], Awaitable[None]]
    """Adds the write that closes the letter. Raises MovedOn where somebody else has closed it."""


def address_of(event: InboundEvent) -> Address:
    """Where the replies to an event go."""
    return Address(
        tenant=event.tenant, channel=event.channel, account=event.account, chat=event.chat, thread=event.thread
    )


async def head_of(partition: ConversationPartition, event: InboundEvent) -> Stored[ConversationRecord]:
    """The conversation's head; before its first event an unsaved one."""
    found = await partition.record()
    return found or Stored(RECORD, ConversationRecord(address=address_of(event), group=event.group), "")


async def arrive(
    partition: ConversationPartition,
    *,
    event: InboundEvent,
    decide: Decide,
    render: Render,
    on_page: bool,
    now: datetime,
    replay: Replay | None = None,
    head: Stored[ConversationRecord] | None = None,
) -> Arrival:
    """Create the event's entry if it is not there, number it, and settle it at once where it needs no turn.

    Everything is one transaction, conditional on the etags of what it numbers. `head` is the conversation's, where it
    was read already. Raises Conflict where an answer was decided from what has changed since.
    """
    queue, read = queue_of(event), head
    for _ in range(RACES):
        head, read = read or await head_of(partition, event), None
        settled = decide(head.record)
        transaction = Transaction()
        record = _enter(transaction, head.record, event, settled, queue, now, replay)
        transaction.save_first(head, record)
        if replay:
            await replay.close(transaction)
        if settled and settled.answer:
            transaction.save(*settled.answer)
        shown = on_page and event.kind is not EventKind.REMINDER
        if shown or (settled and settled.outgoing):
            box = await partition.outbox()
            if shown:
                number = box.record.published + 1
                transaction.create(outbox.page_id(number), outbox.said_by_person(event, n=number))
            outbox.append(
                transaction, box, settled.outgoing if settled else (), render=render, now=now, page_items=int(shown)
            )
        try:
            await partition.commit(Step.ARRIVE, transaction)
        except Conflict as conflict:
            if conflict.exists and (known := await partition.entry(event.id)):
                # Delivered before. A bell that was lost then is rung now.
                is_open = known.record.state in OPEN_ENTRIES
                return Arrival(new=False, open=is_open, answered=not is_open, queue=queue)
            if settled and settled.answer:
                raise
            continue
        return Arrival(
            new=True, open=settled is None or settled.ring, answered=bool(settled and settled.outgoing), queue=queue
        )
    raise RuntimeError(f"{Step.ARRIVE}: lost {RACES} races on {partition.id!r}")


def enter_again(
    transaction: Transaction,
    head: Stored[ConversationRecord],
    entry: Stored[Entry],
    *,
    letter: str,
    failed: bool,
    now: datetime,
) -> Entry:
    """Make a dead entry pending again, with the next number: what arrived since is answered first."""
    record = head.record
    again = entry.record.with_(
        n=record.entries + 1,
        state=EntryState.PENDING,
        starts=0,
        attempt=0,
        until=None,
        trouble_since=None,
        told=False,
        letter=letter,
        failed=failed,
        ended_at=None,
        ttl=None,
    )
    transaction.save(entry, again)
    changes = {"entries": again.n, **_awaited(record, queue_of(again.event), now)}
    transaction.save_first(head, record.with_(**changes))
    return again


def queue_of(event: InboundEvent) -> str:
    """The queue that is rung for an event's turn."""
    return BACKGROUND if event.kind is EventKind.REMINDER else TURNS


def _enter(
    transaction: Transaction,
    record: ConversationRecord,
    event: InboundEvent,
    settled: Settled | None,
    queue: str,
    now: datetime,
    replay: Replay | None,
) -> ConversationRecord:
    number = record.entries + 1
    entry = Entry(
        n=number,
        state=EntryState.CONSUMED if settled else EntryState.PENDING,
        event=event,
        generation=record.generation,
        arrived_at=now,
        letter=replay.letter if replay else "",
        failed=bool(replay and replay.failed),
        ended_at=now if settled else None,
        ttl=KEEP_FINISHED if settled else None,
    )
    transaction.create(entry_id(event.id), entry)
    changes: dict[str, object] = {"entries": number}
    if settled:
        changes.update(settled.changes)
        if not record.waiting:
            changes["settled"] = number
        if settled.ring and record.wake_at is None:
            changes.update(wake_at=now + outbox.RUNG, ring=queue)
    else:
        changes.update(_awaited(record, queue, now))
        if record.mode is QueueMode.INTERRUPT and event.kind in INTERRUPTING and (record.waiting or record.runs):
            changes["stop_before"] = number
    return record.with_(**changes)


def _awaited(record: ConversationRecord, queue: str, now: datetime) -> dict[str, object]:
    """What changes in the record when one more entry waits for its turn."""
    changes: dict[str, object] = {"waiting": record.waiting + 1}
    if record.wake_at is None:
        changes.update(wake_at=now + outbox.RUNG, ring=queue)
    elif queue == TURNS:
        changes["ring"] = TURNS
    return changes

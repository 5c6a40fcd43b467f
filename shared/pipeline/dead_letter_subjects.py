"""What dead letters are about: made pending again, or put aside, by writes that join the transaction of its letter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from shared.conversation import outbox
from shared.conversation.dead_letter_records import About, DeadLetter
from shared.conversation.mailbox import enter_again, queue_of
from shared.conversation.outbox_records import Part
from shared.conversation.partition import ConversationPartition, Stored, Transaction, run_id
from shared.conversation.records import KEEP_FINISHED, Entry
from shared.conversation.reminders import RING, ReminderState
from shared.conversation.run_records import Run
from shared.conversation.states import EntryState, PartState, QuestionState, RunState
from shared.messages import MovedOn
from shared.ports import Document, Json, Replace
from shared.topology import OUTBOUND

GIVEN_UP = (PartState.REFUSED, PartState.UNCERTAIN, PartState.DROPPED)
KNOWN = timedelta(seconds=KEEP_FINISHED) - timedelta(days=2)
"""For how long it is certain what a failed run has done: its effects are forgotten KEEP_FINISHED after they ended."""
MOST_PARTS = 100
"""How many parts of one message are looked at; the longest reply has fewer."""


async def make_pending(
    partition: ConversationPartition, letter: Stored[DeadLetter], transaction: Transaction, now: datetime
) -> str | None:
    """Add the writes of a replay; return the queue to ring. Raises MovedOn where there is nothing to replay."""
    match letter.record.about:
        case About.ENTRY:
            return await _enter_again(partition, letter, transaction, now)
        case About.PART:
            parts = await given_up(partition, letter.record)
            if not parts:
                raise MovedOn("The part that could not be delivered is no longer there, or has been sent again.")
            outbox.move_to_end(transaction, await partition.outbox(), parts, letter=letter.id, now=now)
            return OUTBOUND
        case About.REMINDER:
            await _make_due(partition, letter, transaction, now)
    return None


async def put_aside(partition: ConversationPartition, letter: Stored[DeadLetter], transaction: Transaction) -> None:
    """Add the writes of a discard: what it was about is final, and goes when its letter goes."""
    match letter.record.about:
        case About.ENTRY:
            entry = await partition.load(letter.record.subject, Entry)
            if entry and entry.record.state is EntryState.DEAD:
                transaction.save(entry, entry.record.with_(ttl=KEEP_FINISHED))
                if run := await partition.run(entry.record.event.id):
                    transaction.save(run, run.record.with_(ttl=KEEP_FINISHED))
        case About.PART:
            for part in await given_up(partition, letter.record):
                transaction.save(part, part.record.with_(ttl=KEEP_FINISHED))
        case About.REMINDER:
            document = await _reminder(partition, letter.record)
            if document and _is_stuck(document):
                ended = {**document.body, "state": ReminderState.CANCELLED, "ttl": KEEP_FINISHED}
                transaction.operations.append(Replace(document.id, ended, document.etag))


async def run_of(partition: ConversationPartition, letter: DeadLetter) -> Run | None:
    """The run of the message that a letter is about."""
    if letter.about is not About.ENTRY:
        return None
    entry = await partition.load(letter.subject, Entry)
    run = await partition.run(entry.record.event.id) if entry else None
    return run.record if run else None


async def concerned(partition: ConversationPartition, letter: DeadLetter) -> Mapping[str, Json]:
    """The documents that a letter is about, by their ids, as they are now."""
    names = [letter.subject]
    match letter.about:
        case About.ENTRY:
            entry = await partition.load(letter.subject, Entry)
            names += [run_id(entry.record.event.id)] if entry else []
        case About.PART:
            names += [part.id for part in await given_up(partition, letter)][1:]
        case About.REMINDER:
            names = [_reminder_id(letter)]
        case About.EVENT | About.MESSAGE:
            return {}
    found = [await partition.store.read(partition=partition.key, id=name) for name in names]
    return {document.id: document.body for document in found if document}


async def given_up(partition: ConversationPartition, letter: DeadLetter) -> list[Stored[Part]]:
    """The part that a letter is about and the dropped rest of its message; nothing where they have moved on."""
    part = await partition.load(letter.subject, Part)
    if part is None or part.record.state not in GIVEN_UP:
        return []
    found = [part]
    for rest in await partition.parts(after=part.record.n, limit=MOST_PARTS):
        if rest.record.message != part.record.message or rest.record.state is not PartState.DROPPED:
            break
        found.append(rest)
    return found


async def _enter_again(
    partition: ConversationPartition, letter: Stored[DeadLetter], transaction: Transaction, now: datetime
) -> str:
    entry = await partition.load(letter.record.subject, Entry)
    head = await partition.record()
    if entry is None or head is None:
        raise MovedOn("The message is no longer there.")
    if entry.record.state is not EntryState.DEAD:
        raise MovedOn(f"The message is {entry.record.state} by now.")
    failed = letter.record.told_at is not None
    again = enter_again(transaction, head, entry, letter=letter.id, failed=failed, now=now)
    run = await partition.run(again.event.id)
    if run and run.record.state is RunState.FAILED:
        await _go_on(partition, run, transaction, now)
    return queue_of(again.event)


async def _go_on(partition: ConversationPartition, run: Stored[Run], transaction: Transaction, now: datetime) -> None:
    """Let a run go on with what it has done. It keeps its number too: its effects and its answers have the same."""
    record = run.record
    if record.checkpoint and record.finished_at and now - record.finished_at >= KNOWN:
        raise MovedOn(
            f"It failed on {record.finished_at:%Y-%m-%d}: what it had done by then is no longer known for certain, so it"
            " is not begun again. Discard it, and ask the person to write again."
        )
    again = record.with_(
        state=RunState.WORKING,
        finished_at=None,
        starts=0,
        attempt=0,
        until=None,
        trouble_since=None,
        told=False,
        wake_at=None,
        ring=None,
        ttl=None,
    )
    transaction.save(run, again)
    for question in await partition.questions(entry=record.entry, states=(QuestionState.CLOSED,)):
        # Nobody answered it before the run failed: the run asks anew.
        transaction.delete(question)


async def _make_due(
    partition: ConversationPartition, letter: Stored[DeadLetter], transaction: Transaction, now: datetime
) -> None:
    """Nobody is rung: the schedules stage looks for what is due by itself."""
    document = await _reminder(partition, letter.record)
    if document is None:
        raise MovedOn("The reminder is no longer there.")
    if not _is_stuck(document):
        raise MovedOn("The reminder was changed since: it is due at its own time, or over.")
    due = {**document.body, "wake_at": now.isoformat(), "ring": RING, "letter": letter.id}
    transaction.operations.append(Replace(document.id, due, document.etag))


async def _reminder(partition: ConversationPartition, letter: DeadLetter) -> Document | None:
    return await partition.store.read(partition=partition.key, id=_reminder_id(letter))


def _reminder_id(letter: DeadLetter) -> str:
    """Its subject is the reminder's id and the version that could not fire."""
    return letter.subject.rpartition("~")[0]


def _is_stuck(document: Document) -> bool:
    return not document.body.get("wake_at") and document.body.get("state", ReminderState.OPEN) == ReminderState.OPEN

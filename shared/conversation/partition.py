"""One conversation's partition: typed reads, and transactions of conditional writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared import ids
from shared.conversation.outbox_records import OutboxRecord, Part
from shared.conversation.records import OUTBOX, RECORD, ConversationRecord, Entry, Message, Record
from shared.conversation.run_records import EffectRecord, QuestionRecord, Run
from shared.conversation.states import OPEN_ENTRIES
from shared.ports import Create, Delete, Document, Json, Operation, Partition, Put, Replace, Store
from shared.steps import Step

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Stored(Generic[R]):
    """A record as it was read. An empty etag: it is not in the store yet."""

    id: str
    record: R
    etag: str


def entry_id(event: str) -> str:
    """The id of an event's mailbox entry: the same for every delivery of the event."""
    return ids.document("entry", event)


def run_id(event: str) -> str:
    """The id of an event's run."""
    return ids.document("run", event)


def question_id(*, run: str, interrupt: str, index: int) -> str:
    """The id of a question: the same however often the agent comes to it."""
    return ids.document("question", f"{run}:{interrupt}:{index}")


def effect_id(*, run: str, key: str) -> str:
    """The id of a row of the effects ledger."""
    return ids.document("effect", f"{run}:{key}")


def part_id(n: int) -> str:
    """The id of an outbox part."""
    return f"part:{n}"


class Transaction:
    """Operations of one partition that are done together or not at all."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def create(self, id: str, record: Record) -> None:
        """Add a create, which fails where the id is taken."""
        self.operations.append(Create(id, _body(record)))

    def save(self, stored: Stored[R], record: R) -> None:
        """Add a write of what was read: it fails where the document has changed since."""
        body = _body(record)
        self.operations.append(Replace(stored.id, body, stored.etag) if stored.etag else Create(stored.id, body))

    def save_first(self, stored: Stored[R], record: R) -> None:
        """Like `save`, but as the first operation: the head, which the others depend on."""
        self.save(stored, record)
        self.operations.insert(0, self.operations.pop())

    def put(self, id: str, record: Record) -> None:
        """Add an unconditional write, for what is not truth."""
        self.operations.append(Put(id, _body(record)))

    def delete(self, stored: Stored[R]) -> None:
        """Add a removal of what was read."""
        self.operations.append(Delete(stored.id, stored.etag))


class ConversationPartition:
    """A conversation's documents."""

    def __init__(self, *, store: Store, tenant: str, conversation: str) -> None:
        self.store = store
        self.tenant = tenant
        self.id = conversation
        self.key = Partition(tenant, ids.partition(conversation))

    async def record(self) -> Stored[ConversationRecord] | None:
        """The conversation's head; None before its first event."""
        return _typed(await self.store.read(partition=self.key, id=RECORD), ConversationRecord)

    async def outbox(self) -> Stored[OutboxRecord]:
        """The outbox's head; an unsaved one before its first part."""
        found = _typed(await self.store.read(partition=self.key, id=OUTBOX), OutboxRecord)
        return found or Stored(OUTBOX, OutboxRecord(), "")

    async def entry(self, event: str) -> Stored[Entry] | None:
        """An event's mailbox entry."""
        return _typed(await self.store.read(partition=self.key, id=entry_id(event)), Entry)

    async def next_entry(self, record: ConversationRecord) -> Stored[Entry] | None:
        """The lowest entry whose turn has not ended."""
        found = await self.store.query(
            partition=self.key, kind="entry", states=OPEN_ENTRIES, after=record.settled, limit=1
        )
        return _typed(found[0], Entry) if found else None

    async def run(self, event: str) -> Stored[Run] | None:
        """An event's run."""
        return _typed(await self.store.read(partition=self.key, id=run_id(event)), Run)

    async def open_entries(self, *, after: int, limit: int = 100) -> list[Stored[Entry]]:
        """The entries after a number whose turn has not ended, in order."""
        found = await self.store.query(partition=self.key, kind="entry", states=OPEN_ENTRIES, after=after, limit=limit)
        return [Stored(document.id, Entry.model_validate(document.body), document.etag) for document in found]

    async def questions(self, *, entry: int, states: Sequence[str] = ()) -> list[Stored[QuestionRecord]]:
        """The questions of an entry's run, the oldest first."""
        found = await self.store.query(
            partition=self.key, kind="question", states=states, after=entry - 1, before=entry + 1, limit=1000
        )
        typed = [Stored(one.id, QuestionRecord.model_validate(one.body), one.etag) for one in found]
        return sorted(typed, key=lambda one: (one.record.asked_at, one.record.index))

    async def effects(self, *, entry: int, states: Sequence[str] = ()) -> list[EffectRecord]:
        """The rows of the effects ledger of an entry's run, the oldest first; a hundred at most."""
        found = await self.store.query(
            partition=self.key, kind="effect", states=states, after=entry - 1, before=entry + 1, descending=True
        )
        return sorted((EffectRecord.model_validate(one.body) for one in found), key=lambda row: row.started_at)

    async def part(self, n: int) -> Stored[Part] | None:
        """One part of the outbox."""
        return _typed(await self.store.read(partition=self.key, id=part_id(n)), Part)

    async def parts(self, *, after: int, limit: int) -> list[Stored[Part]]:
        """The parts after a number, in order."""
        found = await self.store.query(partition=self.key, kind="part", after=after, limit=limit)
        return [Stored(document.id, Part.model_validate(document.body), document.etag) for document in found]

    async def messages(self, *, after: int, before: int | None = None, limit: int) -> list[Message]:
        """The last `limit` messages of the history after a number, the oldest first."""
        found = await self.store.query(
            partition=self.key, kind="message", after=after, before=before, descending=True, limit=limit
        )
        return [Message.model_validate(document.body) for document in reversed(found)]

    async def load(self, id: str, kind: type[R]) -> Stored[R] | None:
        """Any document of the partition by its id."""
        return _typed(await self.store.read(partition=self.key, id=id), kind)

    async def commit(self, step: Step, transaction: Transaction) -> Mapping[str, str]:
        """Do a transaction; return the new etag of each document. Raises Conflict."""
        etags = await self.store.batch(step=step, partition=self.key, operations=transaction.operations)
        return {operation.id: etag for operation, etag in zip(transaction.operations, etags, strict=True)}

    async def etags(self, transaction: Transaction) -> Mapping[str, str]:
        """The etags that a transaction's documents have now: for one whose answer got lost."""
        found = [await self.store.read(partition=self.key, id=one.id) for one in transaction.operations]
        return {document.id: document.etag for document in found if document}


def _body(record: Record) -> Json:
    return record.model_dump(mode="json", exclude_none=True)


def _typed(document: Document | None, kind: type[R]) -> Stored[R] | None:
    return Stored(document.id, kind.model_validate(document.body), document.etag) if document else None

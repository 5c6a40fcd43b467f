"""What happened to a message, read from the records: for the command line, and for HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote

from shared import ids
from shared.conversation.dead_letter_records import DeadLetter
from shared.conversation.outbox_records import Part
from shared.conversation.partition import ConversationPartition, Stored, entry_id, run_id
from shared.conversation.records import Entry
from shared.conversation.run_records import EffectRecord, QuestionRecord, Run
from shared.messages import NotThere
from shared.pipeline.timeline_items import Belongings, happened, rest
from shared.pipeline.timeline_views import Timeline
from shared.ports import Clock, Store
from shared.settings import Settings

MOST_EVENTS = 200
"""How many events one timeline shows at most."""
MOST_PARTS = 2000
MOST_OF_A_KIND = 1000
"""How many questions, effects and dead letters are read."""
MOST_PLACES = 500
"""How many conversations with something open are looked into for an event."""
_PAGE = 500
_UNROUTED = "~unrouted:"
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)

HOW_TO_FIND = (
    "The store finds an event only inside its conversation, so name that too (--in CONVERSATION, over HTTP"
    " &in=CONVERSATION); the ids of both are in the logs, and `dead-letters list` prints the conversation's."
)


@dataclass(slots=True)
class _Read:
    """What was read of a conversation."""

    runs: dict[str, Run] = field(default_factory=dict)
    questions: list[Stored[QuestionRecord]] = field(default_factory=list)
    effects: list[EffectRecord] = field(default_factory=list)
    parts: list[Stored[Part]] = field(default_factory=list)
    letters: list[Stored[DeadLetter]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Timelines:
    """Collects timelines. It only reads, and only inside one conversation's partition once that is known."""

    def __init__(self, *, store: Store, clock: Clock, settings: Settings) -> None:
        self._store = store
        self._clock = clock
        self._tenant = settings.tenant

    async def of(self, id: str, *, conversation: str = "", limit: int = 20, text: bool = False) -> Timeline:
        """The timeline of a conversation's last events, or of one event and all that belongs to it. Raises NotThere.

        `conversation` is where to look for an event; `text` adds what people and the assistant wrote.
        """
        if not conversation:
            partition = self._partition(id)
            if id.startswith(_UNROUTED) or await partition.record():
                return await self._conversation(partition, limit=min(limit, MOST_EVENTS), text=text)
        async for partition in self._places(id, conversation):
            if timeline := await self._event(partition, id, text=text):
                return timeline
        raise NotThere(f"Nothing is known of {id!r} here. {HOW_TO_FIND}")

    # --- where an event is ---

    async def _places(self, event: str, conversation: str) -> AsyncIterator[ConversationPartition]:
        """The conversations in which an event may be, the likeliest first.

        An event's id begins as its conversation's does (tenant, channel, account), and does not say which chat it was.
        So beside what the id itself leads to, the only places that a store can name are those where something is open:
        the two cross-partition queries that there are, each one page.
        """
        if conversation:
            yield self._partition(conversation)
            return
        fields = event.split(":", 3)
        if len(fields) < 4:
            return
        tenant, channel, account = map(unquote, fields[:3])
        prefix, provider = ":".join(fields[:3]), fields[3]
        # The web page's events are named after its person, who is the chat.
        yield self._partition(f"{prefix}:{provider.rpartition('.')[0]}")
        yield self._partition(ids.unrouted(tenant=tenant, channel=channel, account=account))
        seen = set[str]()
        due = await self._store.due(now=_END_OF_TIME, limit=MOST_PLACES)
        letters = await self._store.dead_letters(tenant=self._tenant, limit=MOST_PLACES)
        for document in (*due.documents, *letters.documents):
            key = document.partition.key
            if document.partition.tenant == self._tenant and key not in seen and key.startswith(f"{prefix}:"):
                seen.add(key)
                yield self._partition(key)

    def _partition(self, conversation: str) -> ConversationPartition:
        return ConversationPartition(store=self._store, tenant=self._tenant, conversation=conversation)

    # --- putting it together ---

    async def _event(self, partition: ConversationPartition, id: str, *, text: bool) -> Timeline | None:
        entry = await partition.entry(id)
        if entry is None:
            found = await partition.load(ids.document("dead", id), DeadLetter)
            if found is None or found.record.event is None:
                return None
            belongings = [Belongings(event=found.record.event, letters=[found])]
            return await self._timeline(partition, belongings, event=id, notes=(), text=text)
        read = await self._read(partition, [entry.record], since=entry.record.event.received_at)
        [own, *_] = _sorted_out([entry.record], read)
        own.taken_by = own.taken_by or await self._taken_by(partition, entry.record)
        return await self._timeline(partition, [own], event=id, notes=read.notes, text=text)

    async def _taken_by(self, partition: ConversationPartition, entry: Entry) -> str:
        """The run that took an entry in: one of the entries before it began that run."""
        if entry.ended_at in (None, entry.arrived_at) or await partition.run(entry.event.id):
            return ""
        before = await self._store.query(
            partition=partition.key, kind="entry", before=entry.n, descending=True, limit=MOST_EVENTS
        )
        for document in before:
            event = Entry.model_validate(document.body).event.id
            run = await partition.run(event)
            if run and entry.event.id in run.record.taken:
                return event
        return ""

    async def _conversation(self, partition: ConversationPartition, *, limit: int, text: bool) -> Timeline:
        found = await self._store.query(partition=partition.key, kind="entry", descending=True, limit=limit + 1)
        entries = [Entry.model_validate(document.body) for document in reversed(found[:limit])]
        more = "; a higher limit shows more" if limit < MOST_EVENTS else ""
        notes = [f"Only the last {limit} events are shown{more}."] if len(found) > limit else []
        since = min((one.event.received_at for one in entries), default=None) if notes else None
        read = await self._read(partition, entries, since=since)
        return await self._timeline(
            partition, _sorted_out(entries, read), event="", notes=(*notes, *read.notes), text=text
        )

    async def _timeline(
        self,
        partition: ConversationPartition,
        belongings: Sequence[Belongings],
        *,
        event: str,
        notes: Sequence[str],
        text: bool,
    ) -> Timeline:
        head = await partition.record()
        shown = [happened(one, text=text) for one in belongings]
        return Timeline(
            conversation=head.record.address.conversation if head else partition.id,
            event=event,
            now=self._clock.now(),
            happened=tuple(sorted(shown, key=lambda one: (one.at, one.number or 0, one.event))),
            notes=tuple(notes),
        )

    # --- reading ---

    async def _read(
        self, partition: ConversationPartition, entries: Sequence[Entry], *, since: datetime | None
    ) -> _Read:
        """Everything that may belong to some entries; `since` is when the first of them came, None: from the beginning."""
        read = _Read()
        for entry in entries:
            if run := await partition.run(entry.event.id):
                read.runs[entry.event.id] = run.record
        numbers = [run.entry for run in read.runs.values()]
        if numbers:
            after, before = min(numbers) - 1, max(numbers) + 1
            asked = await self._store.query(
                partition=partition.key, kind="question", after=after, before=before, limit=MOST_OF_A_KIND
            )
            read.questions = [Stored(one.id, QuestionRecord.model_validate(one.body), one.etag) for one in asked]
            done = await self._store.query(
                partition=partition.key, kind="effect", after=after, before=before, limit=MOST_OF_A_KIND
            )
            read.effects = [EffectRecord.model_validate(one.body) for one in done]
        read.parts = await self._parts(partition, since, read.notes)
        from_ = int(since.timestamp() * 1000) - 1 if since else None
        letters = await self._store.query(
            partition=partition.key, kind="dead_letter", after=from_, descending=True, limit=MOST_OF_A_KIND
        )
        read.letters = [Stored(one.id, DeadLetter.model_validate(one.body), one.etag) for one in reversed(letters)]
        return read

    async def _parts(
        self, partition: ConversationPartition, since: datetime | None, notes: list[str]
    ) -> list[Stored[Part]]:
        """The parts of the outbox since a time, in order; it is read from its end."""
        parts: list[Stored[Part]] = []
        before: int | None = None
        while len(parts) < MOST_PARTS:
            found = await self._store.query(
                partition=partition.key, kind="part", before=before, descending=True, limit=_PAGE
            )
            parts += [Stored(one.id, Part.model_validate(one.body), one.etag) for one in found]
            last = parts[-1].record if parts else None
            if last is None or len(found) < _PAGE or (since and last.at and last.at < since):
                return parts[::-1]
            before = last.n
        notes.append(f"Only the last {MOST_PARTS} parts of the outbox were looked at.")
        return parts[::-1]


def _sorted_out(entries: Sequence[Entry], read: _Read) -> list[Belongings]:
    """Each event with what belongs to it; last, where there is any, what belongs to none of them."""
    events = {one.event.id: Belongings(event=one.event, entry=one, run=read.runs.get(one.event.id)) for one in entries}
    owners = {document(event): event for event in events for document in (entry_id, run_id, str)}
    for taken, by in ((taken, event) for event, run in read.runs.items() for taken in run.taken):
        if taken in events:
            events[taken].taken_by = by
    for question in read.questions:
        if question.record.run in events:
            events[question.record.run].questions.append(question)
            owners[question.id] = question.record.run
    for effect in read.effects:
        if effect.run in events:
            events[effect.run].effects.append(effect)
    others = _parts_and_letters(events, owners, read)
    return [*events.values(), *([others] if others else [])]


def _parts_and_letters(events: dict[str, Belongings], owners: dict[str, str], read: _Read) -> Belongings | None:
    letters_of = {letter.id: letter.record.subject for letter in read.letters}
    parts, letters = list[Stored[Part]](), list[Stored[DeadLetter]]()
    for part in read.parts:
        owner = _owner(part.record, owners, letters_of)
        owners[part.id] = owner
        if owner in events:
            events[owner].parts.append(part)
        elif not owner:
            parts.append(part)
    for letter in read.letters:
        owner = owners.get(letter.record.subject, "")
        if not owner and letter.record.event and letter.record.event.id not in events:
            owner = letter.record.event.id
            events[owner] = Belongings(event=letter.record.event)
            owners[owner] = owner
        (events[owner].letters if owner in events else letters).append(letter)
    return rest(parts, letters)


def _owner(part: Part, owners: dict[str, str], letters: dict[str, str]) -> str:
    """The event that a part belongs to: it says so, or its message is named after what it is about; else nothing."""
    if part.event:
        return part.event
    name = part.message
    if name.startswith("stopped:"):
        about = name.split(":", 2)[-1]
    else:
        about = name.rpartition(":told")[0] or name.rpartition(":")[0]
    return owners.get(letters.get(about, about), "")

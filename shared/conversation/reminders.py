"""A user's reminders: set, changed and cancelled by the user's turns, moved on by the schedules stage when they fired."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal

from shared import cron, ids
from shared.conversation.records import KEEP_FINISHED, Record
from shared.messages import Address, Conflict
from shared.ports import Clock, Create, Document, Partition, Reminder, Replace, Store, ToolError
from shared.steps import Step

KIND = "reminder"
CALL = "reminder_call"
RING = "schedules"
"""Reminders ring no queue: the schedules stage looks for what is due itself."""
MOST_OPEN = 200
"""How many open reminders one user may have. Two turns at once may pass it by one, which harms nobody."""

_RACES = 20
"""How many lost races on one reminder are taken for a busy user and not for a bug."""
_NAME_LENGTH = 10
"""Hexadecimal digits of a reminder's id: short enough to be shown, long enough for one user's."""


class ReminderState(StrEnum):
    """A reminder, from being set to its end."""

    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


class ReminderRecord(Record):
    """A reminder in its user's partition."""

    kind: Literal["reminder"] = "reminder"
    n: int
    """When it is due, in seconds since 1970, so that the next due comes first."""
    state: ReminderState = ReminderState.OPEN
    name: str
    """The short id that people see."""
    tenant: str
    user: str
    address: Address
    """Where it is told: the conversation in which it was set."""
    text: str
    due_at: datetime
    repeat: str = ""
    time_zone: str
    """The zone in which `repeat` is read: the user's when it was set."""
    created_at: datetime
    count: int = 0
    """How often it was told."""
    wake_at: datetime | None = None
    ring: str | None = None
    ttl: int | None = None

    def due(self, at: datetime) -> ReminderRecord:
        """Open, and due at another time. Whole seconds."""
        due_at = at.astimezone(UTC).replace(microsecond=0)
        return self.with_(n=int(due_at.timestamp()), due_at=due_at, wake_at=due_at, ring=RING)

    def ended(self, state: ReminderState) -> ReminderRecord:
        """Done or cancelled: nobody has to act any more, and in a month it goes."""
        return self.with_(state=state, wake_at=None, ring=None, ttl=KEEP_FINISHED)

    def fired(self, now: datetime) -> ReminderRecord:
        """Told: due again at its next time after now, or done. Times missed meanwhile are told once."""
        told = self.with_(count=self.count + 1)
        if not self.repeat:
            return told.ended(ReminderState.DONE)
        try:
            return told.due(cron.next_due(self.repeat, time_zone=self.time_zone, after=max(now, self.due_at)))
        except cron.CronError:
            return told.ended(ReminderState.DONE)


class CallRecord(Record):
    """Beside a reminder: that a call changed or cancelled it. Written together with what the call did."""

    kind: Literal["reminder_call"] = "reminder_call"
    name: str
    """The reminder's."""
    ttl: int = KEEP_FINISHED


class UserReminders:
    """The Reminders port for one user in one conversation."""

    def __init__(self, *, store: Store, clock: Clock, tenant: str, user: str, address: Address, time_zone: str) -> None:
        self._store = store
        self._clock = clock
        self._user = user
        self._address = address
        self._time_zone = time_zone
        self._tenant = tenant
        self._partition = Partition(tenant, user)

    async def set(self, *, key: str, text: str, due_at: datetime, repeat: str = "") -> Reminder:
        """Create one, due at an aware time. The same `key` gives the same reminder, also when it is over by now.

        Raises ToolError when the user has MOST_OPEN of them.
        """
        name = _digest(key)[:_NAME_LENGTH]
        if known := await self._store.read(partition=self._partition, id=_id(name)):
            return _shown(_record(known))
        if len(await self._open()) >= MOST_OPEN:
            raise ToolError(f"There are {MOST_OPEN} open reminders already: cancel some first.")
        record = ReminderRecord(
            n=0,
            name=name,
            tenant=self._tenant,
            user=self._user,
            address=self._address,
            text=text,
            due_at=due_at,
            repeat=repeat,
            time_zone=self._time_zone,
            created_at=self._clock.now(),
        ).due(due_at)
        try:
            await _write(self._store, self._partition, Step.SET_REMINDER, Create(_id(name), _body(record)))
        except Conflict:
            return await self.set(key=key, text=text, due_at=due_at, repeat=repeat)
        return _shown(record)

    async def list(self) -> Sequence[Reminder]:
        """The open ones, the next due first."""
        return [_shown(_record(document)) for document in await self._open()]

    async def done(self, *, key: str) -> Reminder | None:
        """What a call of this `key` set, changed or cancelled before, as it is now; None where there was none."""
        found = await self._store.read(partition=self._partition, id=_id(_digest(key)[:_NAME_LENGTH]))
        if found is None and (call := await self._store.read(partition=self._partition, id=_call_id(key))):
            name = CallRecord.model_validate(call.body).name
            found = await self._store.read(partition=self._partition, id=_id(name))
        return _shown(_record(found)) if found else None

    async def change(
        self,
        *,
        id: str,
        text: str | None = None,
        due_at: datetime | None = None,
        repeat: str | None = None,
        key: str = "",
    ) -> Reminder:
        """Change what is given, once for a `key`; an empty `repeat` ends the repetition.

        Raises ToolError where none of that id is open.
        """

        def changed(record: ReminderRecord) -> ReminderRecord:
            if text is not None:
                record = record.with_(text=text)
            if repeat is not None:
                record = record.with_(repeat=repeat, time_zone=self._time_zone)
            return record.due(due_at) if due_at is not None else record

        return await self._alter(key, id, changed)

    async def cancel(self, *, id: str, key: str = "") -> Reminder:
        """Cancel one, once for a `key`. Raises ToolError where none of that id is open."""
        return await self._alter(key, id, lambda record: record.ended(ReminderState.CANCELLED))

    async def _open(self) -> Sequence[Document]:
        return await self._store.query(
            partition=self._partition, kind=KIND, states=(ReminderState.OPEN,), limit=MOST_OPEN
        )

    async def _alter(self, key: str, name: str, change: Callable[[ReminderRecord], ReminderRecord]) -> Reminder:
        call = [Create(_call_id(key), CallRecord(name=name).model_dump(mode="json"))] if key else []
        for _ in range(_RACES):
            if key and (known := await self.done(key=key)):
                return known
            document = await self._store.read(partition=self._partition, id=_id(name))
            record = _record(document) if document else None
            if document is None or record is None or record.state is not ReminderState.OPEN:
                raise ToolError(f"There is no open reminder with the id {name!r}.")
            changed = change(record)
            altered = Replace(document.id, _body(changed), document.etag)
            try:
                await _write(self._store, self._partition, Step.SET_REMINDER, altered, *call)
            except Conflict:
                continue
            return _shown(changed)
        raise RuntimeError(f"{Step.SET_REMINDER}: lost {_RACES} races on reminder {name!r}")


async def advance(store: Store, document: Document, now: datetime) -> bool:
    """Move a reminder on whose event is in its mailbox. False: someone else moved or changed it meanwhile.

    A reminder that was only reworded is still due then. It fires the same event again, which its mailbox knows already.
    """
    record = _record(document)
    if record.state is not ReminderState.OPEN or record.due_at > now:
        return False
    try:
        await _replace(store, Step.ADVANCE_REMINDER, document, record.fired(now))
    except Conflict:
        return False
    return True


async def move_reminders(store: Store, *, tenant: str, source: str, target: str) -> int:
    """Give a user's open reminders to the user that it became by linking; return how many. Doing it again is safe."""
    documents = await store.query(
        partition=Partition(tenant, source), kind=KIND, states=(ReminderState.OPEN,), limit=MOST_OPEN
    )
    return sum([await _move(store, document, target) for document in documents])


async def _move(store: Store, document: Document, target: str) -> bool:
    """Copy, then end the original: if both are there for a while, they fire the same event, which is taken once."""
    found: Document | None = document
    for _ in range(_RACES):
        record = _record(found) if found else None
        if found is None or record is None or record.state is not ReminderState.OPEN:
            return False
        copy = Create(found.id, _body(record.with_(user=target)))
        with suppress(Conflict):  # copied before
            await _write(store, Partition(record.tenant, target), Step.SET_REMINDER, copy)
        try:
            await _replace(store, Step.SET_REMINDER, found, record.ended(ReminderState.CANCELLED))
        except Conflict:
            found = await store.read(partition=found.partition, id=found.id)
            continue
        return True
    raise RuntimeError(f"{Step.SET_REMINDER}: lost {_RACES} races on {document.id!r}")


def _id(name: str) -> str:
    return ids.document(KIND, name)


def _call_id(key: str) -> str:
    return ids.document(CALL, _digest(key))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _record(document: Document) -> ReminderRecord:
    return ReminderRecord.model_validate(document.body)


def _body(record: ReminderRecord) -> dict[str, object]:
    return record.model_dump(mode="json", exclude_none=True)


def _shown(record: ReminderRecord) -> Reminder:
    return Reminder(id=record.name, text=record.text, due_at=record.due_at, repeat=record.repeat)


async def _write(store: Store, partition: Partition, step: Step, *operations: Create | Replace) -> None:
    await store.batch(step=step, partition=partition, operations=operations)


async def _replace(store: Store, step: Step, document: Document, record: ReminderRecord) -> None:
    await _write(store, document.partition, step, Replace(document.id, _body(record), document.etag))

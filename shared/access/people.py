"""Users and their identities: who someone is, and whether they may talk to the assistant."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from shared import ids
from shared.access.records import (
    APPROVER,
    DEPLOYMENT,
    OWNER,
    POINTER,
    USER,
    Approver,
    Ownership,
    PersonRecord,
    Pointer,
    Role,
    User,
)
from shared.cache import Cache
from shared.messages import Address, Conflict, EventKind, InboundEvent
from shared.ports import Clock, Create, Partition, Replace, Store
from shared.settings import Access, Settings
from shared.steps import Step

POINTER_SECONDS = 300.0
"""How long it is known by heart which user an identity is."""
POINTERS = 10_000
"""How many of those one process knows at most; each is some hundred bytes."""

P = TypeVar("P", bound=PersonRecord)


@dataclass(frozen=True, slots=True)
class Standing:
    """Who an event is from, and whether a turn may be had. A silent refusal says nothing."""

    user: User | None
    allowed: bool
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """A document about people, as it was read."""

    user: User
    etag: str


def identity_of(event: InboundEvent) -> str:
    """The identity of an event's sender: the same in every conversation of that account."""
    return ids.identity(channel=event.channel, account=event.account, external_id=event.sender.external_id)


def home_of(event: InboundEvent) -> Address | None:
    """Where the event's sender talks with the assistant alone; None where others listen."""
    if event.group:
        return None
    return Address(
        tenant=event.tenant, channel=event.channel, account=event.account, chat=event.chat, thread=event.thread
    )


class People:
    """The users of one tenant."""

    def __init__(self, *, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._tenant = settings.tenant
        self._pointers: Cache[str] = Cache(
            clock=clock, seconds=lambda user: POINTER_SECONDS if user else 0, most=POINTERS
        )
        self._allowed = {name.strip() for name in settings.allowed.split(",") if name.strip()}

    async def standing(self, event: InboundEvent, *, user: User | None = None) -> Standing:
        """Who sent the event and whether they may talk. Someone new is admitted where the setting allows it.

        `user`: who it is, where they were recognised just now.
        """
        if event.kind is EventKind.REMINDER:
            # A reminder is sent by ourselves; its sender is the user whose it is.
            user = await self.user(event.sender.external_id)
            return Standing(user, allowed=user is not None and user.role is not Role.BLOCKED, silent=True)
        user = user or await self.recognise(event)
        if user is None:
            if not self._admits_strangers(event):
                return Standing(None, allowed=False, silent=event.group)
            user = await self.admit(event)
        if user.role is Role.BLOCKED:
            return Standing(user, allowed=False, silent=True)
        user = await self._at_home(user, event)
        return Standing(user, allowed=self._may_talk(user, event), silent=event.group)

    async def recognise(self, event: InboundEvent) -> User | None:
        """The user behind an event's sender, if there is one.

        The user's record is read every time, so that a role that somebody took away acts at once. Which user it is comes
        from memory while that record does not say that the identity moved.
        """
        identity = identity_of(event)
        remembered = await self._pointers.get(identity, partial(self._points_to, identity))
        if not remembered:
            return None
        user = await self.user(remembered)
        if user and identity not in user.moved:
            return user
        self._pointers.forget(identity)
        pointer = await self.pointer(identity)
        return await self.user(pointer.user) if pointer else None

    async def _points_to(self, identity: str) -> str:
        pointer = await self.pointer(identity)
        return pointer.user if pointer else ""

    async def pointer(self, identity: str) -> Pointer | None:
        """Where an identity points."""
        document = await self._store.read(partition=Partition(self._tenant, identity), id=POINTER)
        return Pointer.model_validate(document.body) if document else None

    async def user(self, user: str) -> User | None:
        """A user by id."""
        known = await self._known(user)
        return known.user if known else None

    async def admit(self, event: InboundEvent, *, role: Role = Role.MEMBER) -> User:
        """Make a user of an event's sender, or return the one that is there. Safe to do again after a crash."""
        identity = identity_of(event)
        now = self._clock.now()
        user = User(
            id="user-" + hashlib.sha256(f"{self._tenant}/{identity}".encode()).hexdigest()[:24],
            name=event.sender.name,
            language=event.sender.language,
            role=role,
            identities=(identity,),
            home=home_of(event),
            created_at=now,
        )
        await self._create(Partition(self._tenant, user.id), USER, user)
        await self._create(Partition(self._tenant, identity), POINTER, Pointer(user=user.id, linked_at=now))
        return await self.recognise(event) or user

    async def approver(self) -> User | None:
        """Who approves tool calls for everybody, by the setting; None where nobody does, or they are not known yet."""
        named = self._settings.approver
        if not named:
            return None
        partition = Partition(self._tenant, DEPLOYMENT)
        if named == OWNER:
            found = await self._store.read(partition=partition, id=OWNER)
            return await self.user(Ownership.model_validate(found.body).user) if found else None
        found = await self._store.read(partition=partition, id=APPROVER)
        noted = Approver.model_validate(found.body) if found else None
        return await self.user(noted.user) if noted and noted.named == named else None

    async def belongs(self, *, user: str, other: str) -> bool:
        """Whether what belongs to `other` belongs to `user`: they are the same, or one was linked to become it."""
        if user == other:
            return True
        former = await self.user(other)
        pointers = [await self.pointer(identity) for identity in (former.identities if former else ())]
        return any(pointer and pointer.user == user for pointer in pointers)

    async def change(self, user: str, change: Callable[[User], User]) -> User:
        """Change a user, conditional on nobody else having done so; tried again where somebody did."""
        while True:
            known = await self._known(user)
            if known is None:
                raise LookupError(f"there is no user {user!r}")
            changed = change(known.user)
            if changed == known.user:
                return changed
            try:
                await self._store.batch(
                    step=Step.CHANGE_PERSON,
                    partition=Partition(self._tenant, user),
                    operations=[Replace(USER, changed.model_dump(mode="json"), known.etag)],
                )
            except Conflict:
                continue
            return changed

    async def point(self, identity: str, user: str) -> None:
        """Make an identity point to a user.

        The user that it was is told first: from then on nobody relies on a memory of the pointer.
        """
        partition = Partition(self._tenant, identity)
        while True:
            found = await self._store.read(partition=partition, id=POINTER)
            body = Pointer(user=user, linked_at=self._clock.now()).model_dump(mode="json")
            if found and found.body["user"] == user:
                return
            if found:
                await self._note_moved(found.body["user"], identity)
            operation = Replace(POINTER, body, found.etag) if found else Create(POINTER, body)
            try:
                await self._store.batch(step=Step.CHANGE_PERSON, partition=partition, operations=[operation])
            except Conflict:
                continue
            self._pointers.forget(identity)
            return

    async def _note_moved(self, user: str, identity: str) -> None:
        if await self.user(user) is not None:
            await self.change(user, lambda known: known.with_(moved=tuple(dict.fromkeys((*known.moved, identity)))))

    async def _at_home(self, user: User, event: InboundEvent) -> User:
        """Note where a user talks privately, and that they are the approver, where that is not known yet."""
        if user.home is None and not event.group:
            user = await self.change(user.id, lambda known: known.with_(home=known.home or home_of(event)))
        if self._settings.approver == _named(event):
            await self._note_approver(user)
        return user

    async def _note_approver(self, user: User) -> None:
        partition = Partition(self._tenant, DEPLOYMENT)
        body = Approver(named=self._settings.approver, user=user.id).model_dump(mode="json")
        found = await self._store.read(partition=partition, id=APPROVER)
        if found and found.body == body:
            return
        operation = Replace(APPROVER, body, found.etag) if found else Create(APPROVER, body)
        try:
            await self._store.batch(step=Step.CHANGE_PERSON, partition=partition, operations=[operation])
        except Conflict:
            return  # somebody else notes the same; else their next message does

    async def _known(self, user: str) -> Known | None:
        document = await self._store.read(partition=Partition(self._tenant, user), id=USER)
        return Known(User.model_validate(document.body), document.etag) if document else None

    async def _create(self, partition: Partition, id: str, record: PersonRecord) -> None:
        try:
            await self._store.batch(
                step=Step.ADMIT_PERSON, partition=partition, operations=[Create(id, record.model_dump(mode="json"))]
            )
        except Conflict:
            return

    def _admits_strangers(self, event: InboundEvent) -> bool:
        match self._settings.access:
            case Access.OPEN:
                return True
            case Access.LINKED:
                return False
            case Access.ALLOWLIST:
                return _named(event) in self._allowed

    def _may_talk(self, user: User, event: InboundEvent) -> bool:
        if self._settings.access is not Access.ALLOWLIST or user.role is Role.OWNER:
            return True
        return _named(event) in self._allowed


def _named(event: InboundEvent) -> str:
    """An event's sender as the settings name people."""
    return f"{event.channel}:{event.sender.external_id}"

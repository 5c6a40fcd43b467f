"""One-time codes: claiming a new deployment, and proving that two apps are used by the same person."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from shared import ids
from shared.access.people import People, home_of, identity_of
from shared.access.records import CODE, DEPLOYMENT, OWNER, LinkCode, Ownership, Role, User
from shared.messages import Conflict, InboundEvent
from shared.ports import Clock, Create, Partition, Replace, SecretStore, Store
from shared.settings import Settings
from shared.steps import Step

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""No characters that look like others."""
LIFETIME = timedelta(minutes=10)


class Outcome(StrEnum):
    """How the use of a code ended."""

    DONE = "done"
    WRONG = "wrong"
    TAKEN = "taken"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Linked:
    """The outcome, and who the sender is now."""

    outcome: Outcome
    user: User | None = None
    moved_from: str = ""
    """The user that this identity was before, whose things now belong to the other."""


def new_code(length: int = 8) -> str:
    """A random code, in groups of four: 31 characters to the power of `length`."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(length))
    return "-".join(letters[start : start + 4] for start in range(0, length, 4))


def plain(code: str) -> str:
    """A code as it is compared: without the groups, in capitals."""
    return "".join(code.split()).replace("-", "").upper()


class Linking:
    """Codes of one tenant."""

    def __init__(
        self, *, store: Store, people: People, settings: Settings, clock: Clock, secret_store: SecretStore
    ) -> None:
        self._store = store
        self._people = people
        self._settings = settings
        self._clock = clock
        self._secrets = secret_store
        self._tenant = settings.tenant

    async def issue(self, user: User) -> str:
        """A new code, good for ten minutes and one use, that makes another identity this user's."""
        code = new_code()
        record = LinkCode(user=user.id, expires_at=self._clock.now() + LIFETIME, ttl=int(LIFETIME.total_seconds()) * 2)
        await self._store.batch(
            step=Step.ISSUE_CODE,
            partition=self._code_partition(code),
            operations=[Create(CODE, record.model_dump(mode="json"))],
        )
        return code

    async def spend(self, event: InboundEvent, code: str) -> Linked:
        """Make the event's sender the user who got the code."""
        partition = self._code_partition(code)
        document = await self._store.read(partition=partition, id=CODE)
        record = LinkCode.model_validate(document.body) if document else None
        before = await self._people.recognise(event)
        if record is None or document is None or (record.spent_by not in ("", event.id)):
            return Linked(Outcome.WRONG)
        if record.expires_at <= self._clock.now() or (before and before.role is Role.BLOCKED):
            return Linked(Outcome.WRONG)
        if before and before.id == record.user and not record.spent_by:
            return Linked(Outcome.SAME, before)
        if not record.spent_by:
            record = record.with_(spent_by=event.id, spender=before.id if before else "")
            spent = Replace(CODE, record.model_dump(mode="json"), document.etag)
            try:
                await self._store.batch(step=Step.SPEND_CODE, partition=partition, operations=[spent])
            except Conflict:
                return Linked(Outcome.WRONG)
        return await self._join(event, record)

    async def claim(self, event: InboundEvent, code: str) -> Linked:
        """Make the event's sender the deployment's owner, if the code is right and nobody was faster."""
        expected = await self.claim_code()
        if not hmac.compare_digest(plain(code).encode(), plain(expected).encode()):
            return Linked(Outcome.WRONG)
        user = await self._people.recognise(event) or await self._people.admit(event)
        partition = Partition(self._tenant, DEPLOYMENT)
        ownership = Ownership(user=user.id, claimed_at=self._clock.now(), event=event.id)
        try:
            await self._store.batch(
                step=Step.SPEND_CODE,
                partition=partition,
                operations=[Create(OWNER, ownership.model_dump(mode="json"))],
            )
        except Conflict:
            found = await self._store.read(partition=partition, id=OWNER)
            if found is None or found.body["event"] != event.id:
                return Linked(Outcome.TAKEN)
        owner = await self._people.change(
            user.id, lambda known: known.with_(role=Role.OWNER, home=home_of(event) or known.home)
        )
        return Linked(Outcome.DONE, owner)

    async def claimed(self) -> bool:
        """True when the deployment has an owner."""
        return await self._store.read(partition=Partition(self._tenant, DEPLOYMENT), id=OWNER) is not None

    async def claim_code(self) -> str:
        """The code that makes its first user the owner: the setting's, else one that is made once and kept."""
        if given := self._settings.claim_code.get_secret_value():
            return given
        return await self._secrets.create(name="claim-code", value=new_code(12))

    async def _join(self, event: InboundEvent, code: LinkCode) -> Linked:
        identity = identity_of(event)
        joined = await self._people.change(
            code.user,
            lambda known: known.with_(
                identities=known.identities if identity in known.identities else (*known.identities, identity),
                moved=tuple(each for each in known.moved if each != identity),
                home=known.home or home_of(event),
            ),
        )
        await self._people.point(identity, code.user)
        return Linked(Outcome.DONE, joined, moved_from=code.spender if code.spender != code.user else "")

    def _code_partition(self, code: str) -> Partition:
        return Partition(self._tenant, ids.secret("code", plain(code)))

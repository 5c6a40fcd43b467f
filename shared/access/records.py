"""The documents of people: users, pointers from identities, one-time codes, the deployment's owner."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from shared.messages import Address

USER = "user"
POINTER = "pointer"
CODE = "code"
OWNER = "owner"
DEPLOYMENT = "deployment"
APPROVER = "approver"


class Role(StrEnum):
    """What a person is in this deployment."""

    OWNER = "owner"
    MEMBER = "member"
    BLOCKED = "blocked"


class PersonRecord(BaseModel):
    """A stored document about people."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str

    def with_(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return self.model_copy(update=changes)


class User(PersonRecord):
    """A person, whatever apps they come from."""

    kind: Literal["user"] = "user"
    id: str
    name: str = ""
    role: Role = Role.MEMBER
    language: str = ""
    time_zone: str = ""
    """An IANA name; empty: the deployment's default."""
    identities: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    """Identities that were linked to another user since: whoever remembers them as this user's looks again."""
    home: Address | None = None
    """Where they talk with the assistant alone: what is for them and comes from elsewhere goes there."""
    created_at: datetime


class Pointer(PersonRecord):
    """From a platform's identity to the user that it is."""

    kind: Literal["pointer"] = "pointer"
    user: str
    linked_at: datetime


class LinkCode(PersonRecord):
    """A one-time code: who sends it from another app is the same person."""

    kind: Literal["code"] = "code"
    user: str
    expires_at: datetime
    spent_by: str = ""
    """The event that spent it, so that a second delivery of that event is no second use."""
    spender: str = ""
    """The user that the sender was before, whose things are to move."""
    ttl: int


class Ownership(PersonRecord):
    """Who claimed the deployment."""

    kind: Literal["owner"] = "owner"
    user: str
    claimed_at: datetime
    event: str


class Approver(PersonRecord):
    """The user behind the identity that the setting names as the approver."""

    kind: Literal["approver"] = "approver"
    named: str
    """What the setting says."""
    user: str

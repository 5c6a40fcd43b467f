"""From what the page sends to an inbound event."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from shared import ids
from shared.channels.web.gate import Person
from shared.messages import BUTTON_VALUE_BYTES, Attachment, EventKind, InboundEvent, Sender, Unreadable

TEXT_LENGTH = 50_000
"""The longest text of a message, in characters; what is longer is better attached as a file."""
FILES = 10
"""The most files beside one message."""


class _SentFile(BaseModel):
    """A file that was uploaded before."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=r"^[A-Za-z0-9_.~-]{1,200}$")
    name: str = Field("file", max_length=255)
    media_type: str = Field("application/octet-stream", pattern=r"^[\w.+-]{1,100}/[\w.+-]{1,100}$")
    size: int | None = Field(None, ge=0)


class _Sent(BaseModel):
    """The body of a POST from the page. `id` is made by the page: the same for every try of one message."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    text: str = Field("", max_length=TEXT_LENGTH)
    files: tuple[_SentFile, ...] = Field((), max_length=FILES)
    button: str = ""
    time_zone: str = Field("", max_length=64)
    """The browser's, as an IANA name."""

    @field_validator("text")
    @classmethod
    def _without_nulls(cls, text: str) -> str:
        return text.replace("\x00", "")

    @field_validator("button")
    @classmethod
    def _fits(cls, value: str) -> str:
        if len(value.encode()) > BUTTON_VALUE_BYTES:
            raise ValueError(f"a button's value has at most {BUTTON_VALUE_BYTES} bytes")
        return value


def _known_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key if name else ""
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return ""


def client_id(event: str) -> str:
    """The page's own id of a message, from the id of its event."""
    return event.rpartition(".")[2]


def to_event(
    body: bytes, *, person: Person, tenant: str, account: str, language: str, received_at: datetime
) -> InboundEvent:
    """The event that the page sent. Raises Unreadable with words for whoever wrote the request."""
    try:
        sent = _Sent.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "body"
        raise Unreadable(f"{where}: {first['msg']}") from None
    if not (sent.text.strip() or sent.files or sent.button):
        raise Unreadable("text: an empty message")
    return InboundEvent(
        # Another person's page may have made the same id.
        id=ids.event(tenant=tenant, channel="web", account=account, provider_id=f"{person.id}.{sent.id}"),
        tenant=tenant,
        channel="web",
        account=account,
        chat=person.id,
        kind=EventKind.PRESS if sent.button else EventKind.MESSAGE,
        sender=Sender(
            external_id=person.id, name=person.name, language=language, time_zone=_known_zone(sent.time_zone)
        ),
        text=sent.text,
        attachments=tuple(
            Attachment(name=file.name, media_type=file.media_type, size=file.size, file=file.id) for file in sent.files
        ),
        message=sent.id,
        button=sent.button,
        received_at=received_at,
    )


def language(accept: str) -> str:
    """The first language of an Accept-Language header, such as `de-AT`; empty without one."""
    first = accept.partition(",")[0].partition(";")[0].strip()
    return first if first.replace("-", "").isalnum() and len(first) <= 35 else ""

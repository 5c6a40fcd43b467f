"""Every derived id is made here: readable where it is short and safe, else a prefix and a hash."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import uuid
import zlib

_SAFE = re.compile(r"[A-Za-z0-9_.:=~@+-]+")
_SECRET_SAFE = re.compile(r"[0-9A-Za-z-]+")

MESSAGE_LENGTH = 128
"""Service Bus: the longest message id and session id, in characters."""
INSTANCE_LENGTH = 100
"""Durable Functions: the longest instance id that its storage accepts."""
DOCUMENT_LENGTH = 255
"""Cosmos DB: the longest id (1,023 bytes are allowed; 255 also fits every index)."""
_BARE = -15
"""zlib without its header and checksum."""
_LONGEST_PACKED = 4 * DOCUMENT_LENGTH
SECRET_LENGTH = 127
"""Key Vault: the longest secret name."""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def fit(text: str, *, length: int) -> str:
    """Return `text` if it is a safe id of at most `length` characters, else a readable prefix and a hash of it."""
    if len(text) <= length and _SAFE.fullmatch(text):
        return text
    digest = _digest(text)
    prefix = re.sub(r"[^A-Za-z0-9_.:-]", "_", text)[: max(0, min(40, length - len(digest) - 1))]
    return f"{prefix}~{digest}" if prefix else digest


def _field(text: str) -> str:
    # The parts of an id are joined by ":", so a part that holds one is made unambiguous.
    return text.replace("%", "%25").replace(":", "%3A")


def event(*, tenant: str, channel: str, account: str, provider_id: str) -> str:
    """The id of a provider event: the same for every delivery of it."""
    return f"{_field(tenant)}:{_field(channel)}:{_field(account)}:{_field(provider_id)}"


def conversation(*, tenant: str, channel: str, account: str, chat: str, thread: str = "") -> str:
    """The id of a conversation: one chat, or one thread of a chat that has threads."""
    tail = f"{_field(chat)}:{_field(thread)}" if thread else _field(chat)
    return f"{_field(tenant)}:{_field(channel)}:{_field(account)}:{tail}"


def unrouted(*, tenant: str, channel: str, account: str) -> str:
    """The partition for verified events whose conversation could not be read."""
    return f"~unrouted:{_field(tenant)}:{_field(channel)}:{_field(account)}"


def identity(*, channel: str, account: str, external_id: str) -> str:
    """The partition of the pointer from a platform's identity to our user."""
    return fit(f"id:{_field(channel)}:{_field(account)}:{_field(external_id)}", length=DOCUMENT_LENGTH)


def message(event_id: str) -> str:
    """The broker's message id of an event: what duplicate detection compares."""
    return fit(event_id, length=MESSAGE_LENGTH)


def session(conversation_id: str) -> str:
    """The broker's session id of a conversation."""
    return fit(conversation_id, length=MESSAGE_LENGTH)


def document(kind: str, name: str) -> str:
    """The id of a document of a kind inside a partition."""
    return fit(f"{kind}:{name}", length=DOCUMENT_LENGTH)


def partition(name: str) -> str:
    """The second level of a partition key."""
    return fit(name, length=DOCUMENT_LENGTH)


def instance(run_id: str) -> str:
    """The Durable instance id of a run."""
    return fit(run_id, length=INSTANCE_LENGTH)


def secret(prefix: str, name: str) -> str:
    """A secret's name: the characters that Key Vault allows, and nothing that tells whose it is."""
    if not _SECRET_SAFE.fullmatch(prefix):
        raise ValueError(f"secret prefix {prefix!r} has characters other than 0-9 A-Z a-z -")
    return f"{prefix}-{_digest(name)}"[:SECRET_LENGTH]


def pack(*fields: str) -> str:
    """Several ids as one short word that fits into a URL and onto a command line; `unpack` reads it."""
    squeeze = zlib.compressobj(level=9, wbits=_BARE)
    squeezed = squeeze.compress("\0".join(fields).encode()) + squeeze.flush()
    return base64.urlsafe_b64encode(squeezed).decode().rstrip("=")


def unpack(word: str) -> tuple[str, ...]:
    """The ids in a word of `pack`; none where it is not one."""
    try:
        squeezed = base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True)
        packed = zlib.decompressobj(wbits=_BARE).decompress(squeezed, _LONGEST_PACKED)
        return tuple(packed.decode().split("\0"))
    except (binascii.Error, zlib.error, ValueError):
        return ()


def fresh() -> str:
    """A new id that nobody used before, for bells, which duplicate detection must never swallow."""
    return uuid.uuid4().hex

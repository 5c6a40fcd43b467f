"""What Durable Functions refuses of ids and payloads, refused here too."""

from __future__ import annotations

import unicodedata

from shared.ids import INSTANCE_LENGTH
from shared.messages import Refused, TooLarge

MAX_PAYLOAD_BYTES = 1024 * 1024
"""The Durable Task Scheduler takes at most 1 MB of each input, output and event; what is larger belongs elsewhere."""
MAX_CUSTOM_STATUS_BYTES = 16 * 1024
"""Durable Functions: the most bytes of a custom status, as JSON in UTF-16."""
_FORBIDDEN = frozenset("/\\#?")


def check_instance_id(id: str) -> None:
    """Raise Refused for what is no instance id: its length, its characters, the @ of an entity."""
    if not 1 <= len(id) <= INSTANCE_LENGTH:
        raise Refused(f"Instance ID lengths must be between 1 and {INSTANCE_LENGTH} characters.")
    if id.startswith("@"):
        raise Refused("Orchestration instance ids must not start with @.")
    if any(one in _FORBIDDEN or unicodedata.category(one) == "Cc" for one in id):
        raise Refused("Orchestration instance ids must not contain /, \\, #, ?, or control characters.")


def check_payload(what: str, text: str | None) -> None:
    """Raise TooLarge for a payload that is too large."""
    size = len(text.encode("utf-8", "surrogatepass")) if text else 0
    if size > MAX_PAYLOAD_BYTES:
        raise TooLarge(f"{what} has {size} bytes, and at most {MAX_PAYLOAD_BYTES} are taken: pass an id instead")


def check_custom_status(text: str | None) -> None:
    """Raise TooLarge for a custom status that is too large."""
    if text and len(text.encode("utf-16-le", "surrogatepass")) > MAX_CUSTOM_STATUS_BYTES:
        raise TooLarge(
            f"The UTF-16 encoded custom status payload must be no more than {MAX_CUSTOM_STATUS_BYTES // 1024} KB."
        )

"""The W3C trace context as records and messages carry it: two plain strings."""

from __future__ import annotations

import os
import re

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
"""Version 00 of the W3C recommendation Trace Context: trace id, span id, flags."""
_BLANK = ("0" * 32, "0" * 16)


class FromOutside:
    """What a stranger's request says of its trace. Good for a link, never for a parent."""

    __slots__ = ("traceparent",)
    tracestate = ""

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent


def new_traceparent() -> str:
    """A fresh trace, sampled."""
    drawn = os.urandom(24).hex()  # both ids at once: asking the system is what costs
    return f"00-{drawn[:32]}-{drawn[32:]}-01"


def parsed(traceparent: str) -> tuple[str, str, int] | None:
    """Trace id, span id and flags; None where it is malformed."""
    found = TRACEPARENT.fullmatch(traceparent)
    if not found or found[1] == _BLANK[0] or found[2] == _BLANK[1]:
        return None
    return found[1], found[2], int(found[3], 16)

"""Structured logs and the W3C trace context that records and messages carry from stage to stage."""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_BLANK_TRACE = "0" * 32

_bound: ContextVar[dict[str, str]] = ContextVar("bound", default={})  # noqa: B039  never mutated: bind() makes a copy


def new_traceparent() -> str:
    """A fresh trace, in the format of the W3C recommendation Trace Context."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def child_of(traceparent: str) -> str:
    """A new span in the same trace; a fresh trace where the given one is missing or malformed."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if not found or found[1] == _BLANK_TRACE:
        return new_traceparent()
    return f"00-{found[1]}-{secrets.token_hex(8)}-{found[3]}"


@contextmanager
def bind(**fields: str) -> Iterator[None]:
    """Add fields (event, conversation, tenant, traceparent) to every log line inside the block."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


class _JsonLines(logging.Formatter):
    """One JSON object a line. Only the message, the bound fields and `extra={"fields": …}` are shown."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_bound.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0]:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


LOGGER: Final = "praxos"


def logger(name: str) -> logging.Logger:
    """The logger of a module, below `praxos`."""
    return logging.getLogger(f"{LOGGER}.{name}")


def configure_logs(*, level: str) -> None:
    """Write our own log lines to standard error as JSON. Azure's worker has handlers of its own: call this locally."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    root = logging.getLogger(LOGGER)
    root.handlers[:] = [handler]
    root.setLevel(level)
    root.propagate = False

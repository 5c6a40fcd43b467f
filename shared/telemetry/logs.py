"""Structured logs: one JSON object a line, with the ids of what it is about and of the span in which it was written."""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

from shared.telemetry import carrying, spans

_bound: ContextVar[dict[str, str]] = ContextVar("bound", default={})  # noqa: B039  never mutated: bind() makes a copy
_DEEPEST = 5
"""How many causes of an exception are shown."""


@contextmanager
def bind(**fields: str) -> Iterator[None]:
    """Add fields (event, conversation, tenant, traceparent) to every log line and span inside the block."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def bound() -> Mapping[str, str]:
    """The fields that are bound here."""
    return _bound.get()


def hashed(tenant: str, user: str) -> str:
    """A user as telemetry knows one: the same in every span and metric of a tenant, and no name."""
    return hashlib.sha256(f"{tenant}\n{user}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """What a log record says beside its message: the bound fields and `extra={"fields": …}`."""
    named = dict[str, object](_bound.get())
    traceparent = str(named.pop("traceparent", ""))
    here = spans.here() or traceparent
    if place := carrying.parsed(here):
        named |= {"trace_id": place[0], "span_id": place[1]}
    return named | getattr(record, "fields", {})


def exception(error: BaseException) -> str:
    """Where an exception came from and what kind it is. The words are shown of our own errors alone.

    Those of others can hold what a person wrote: pydantic's, for one, quote what they could not read.
    """
    from shared.messages import PraxosError

    lines: list[str] = []
    current: BaseException | None = error
    for _ in range(_DEEPEST):
        if current is None:
            break
        frames = "".join(traceback.format_list(traceback.extract_tb(current.__traceback__)))
        kind = f"{type(current).__module__}.{type(current).__qualname__}".removeprefix("builtins.")
        words = f": {current}" if isinstance(current, PraxosError) else ""
        lines.append(f"{frames}{kind}{words}")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\ncaused by\n".join(lines)


class _JsonLines(logging.Formatter):
    """One JSON object a line. Only the message, the bound fields and `extra={"fields": …}` are shown."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info and record.exc_info[1]:
            line["exception"] = exception(record.exc_info[1])
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

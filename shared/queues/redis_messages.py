"""Messages and times between the Broker port and the Redis broker's scripts, which count microseconds since the epoch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.ports import QueueMessage, Received
from shared.queues.paths import QueuePath

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(duration: timedelta) -> int:
    """A duration in the unit of every time in the scripts."""
    return duration // _MICROSECOND


def lock_time(path: QueuePath) -> int:
    """How long a lock of the path lasts, in microseconds."""
    return round(path.lock_seconds * 1_000_000)


def most_deliveries(path: QueuePath) -> int:
    """The most deliveries of a message of the path, 0 for any number."""
    return path.max_deliveries or 0


def local_time(at: int, now: int, before: datetime) -> datetime:
    """A time of the server by this machine's clock, on which it was `before` when the server was asked at `now`."""
    return before + (at - now) * _MICROSECOND


def due_time(at: int | None, now: int, before: datetime) -> datetime | None:
    """The same for a time that may be none."""
    return None if at is None else local_time(at, now, before)


def parts_of(message: QueueMessage) -> tuple[str | bytes | int, ...]:
    """What the script that sends takes of a message."""
    properties = json.dumps(dict(message.properties)) if message.properties else ""
    at = microseconds(message.enqueue_at - EPOCH) if message.enqueue_at else ""
    return message.id, message.session, message.body, properties, at


def id_of(message: Received) -> str:
    """The message's id in its stream."""
    return f"{message.sequence_number}-0"


def received(path: QueuePath, entry: Sequence[Any], until: datetime) -> Received:
    """A message as the scripts return it: its id, the fields of its entry, the number of its delivery, its lock."""
    stream_id, flat, deliveries, lock = entry
    fields: dict[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
    properties = fields[b"properties"]
    return Received(
        queue=path.name,
        body=fields[b"body"],
        id=fields[b"id"].decode(),
        session=fields[b"session"].decode(),
        lock_token=lock.decode(),
        locked_until=until,
        delivery_count=deliveries + int(fields.get(b"deliveries", 0)),
        sequence_number=int(stream_id.partition(b"-")[0]),
        enqueued_at=EPOCH + int(float(fields[b"at"])) * _MICROSECOND,
        properties=json.loads(properties) if properties else {},
        dead_letter_reason=fields.get(b"reason", b"").decode(),
        dead_letter_description=fields.get(b"description", b"").decode(),
    )

"""What the Store port cannot ask and one file can: where an event is, and which conversations were active last.

The port has three queries across partitions and gets no fourth for a convenience of this machine. The file of the
local store is read directly and read-only; with any other store there is nothing here to read.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shared.conversation.partition import entry_id
from shared.messages import Address, StoreUnavailable
from shared.settings import Settings

FILE = "store.db"
_LIVE = "(expires IS NULL OR expires > ?)"
_WHERE = f"SELECT partition FROM document WHERE tenant = ? AND id = ? AND {_LIVE} LIMIT 1"  # noqa: S608  only constants
# The record of a conversation is written with each of its events, but it holds no time of the last one.
_RECENT = (
    "SELECT record.body ->> '$.address', max(entry.body ->> '$.arrived_at') AS at, count(*)"
    " FROM document AS entry JOIN document AS record"
    " ON record.tenant = entry.tenant AND record.partition = entry.partition AND record.id = 'record'"
    " WHERE entry.tenant = ? AND entry.kind = 'entry' AND (entry.expires IS NULL OR entry.expires > ?)"
    " GROUP BY entry.partition ORDER BY at DESC LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Recent:
    """A conversation that was active, and when."""

    conversation: str
    at: datetime
    events: int


def where(settings: Settings, event: str) -> str:
    """The conversation in whose mailbox an event is; empty where none is, or where the store is no file here."""
    found = _read(settings, _WHERE, (settings.tenant, entry_id(event), time.time()))
    return str(found[0][0]) if found else ""


def recent(settings: Settings, limit: int) -> list[Recent] | None:
    """The conversations that were active last, the newest first; None where the store is no file here."""
    found = _read(settings, _RECENT, (settings.tenant, time.time(), limit))
    if found is None:
        return None
    return [
        Recent(Address.model_validate_json(address).conversation, datetime.fromisoformat(at), count)
        for address, at, count in found
    ]


def _read(settings: Settings, statement: str, values: tuple[object, ...]) -> list[tuple[str, str, int]] | None:
    if settings.store != "sqlite":
        return None
    path = Path(settings.home).absolute() / FILE
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute(statement, values).fetchall()
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"{FILE} could not be read: {error}") from error

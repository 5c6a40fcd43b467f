"""When each timer is due next and who runs it now, shared by all processes on the data folder."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from shared import owners
from shared.messages import QueueUnavailable
from shared.settings import Sync
from shared.sqlite import SqliteFile

FILE = "host.db"
_SCHEMA = """
CREATE TABLE timers (
    name TEXT PRIMARY KEY,
    schedule TEXT NOT NULL,
    due REAL NOT NULL,
    last REAL NOT NULL,
    runner TEXT NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class TimerRow:
    """One timer. Times are seconds since the epoch; `last` is 0 before its first run, `runner` empty between runs."""

    due: float
    last: float
    runner: str


class TimerState:
    """The file. Every method raises QueueUnavailable when it cannot be written."""

    def __init__(self, home: Path, *, sync: Sync) -> None:
        """Open or create it. Raises SettingError where that cannot be."""
        self._file = SqliteFile(home / FILE, schema=_SCHEMA, version=1, sync=sync, busy=QueueUnavailable)
        self._process = owners.this_process()

    async def begin(self, name: str, *, schedule: str, due: float) -> None:
        """Note a timer; `due` counts where it is new or its schedule is another one."""
        await self._file.write(
            lambda c: c.execute(
                "INSERT INTO timers VALUES (?1,?2,?3,0,'') ON CONFLICT (name) "
                "DO UPDATE SET schedule=?2, due=?3 WHERE schedule<>?2",
                (name, schedule, due),
            )
        )

    def read(self, name: str) -> TimerRow:
        """The timer as it stands."""

        def query(connection: sqlite3.Connection) -> TimerRow:
            row = connection.execute("SELECT due, last, runner FROM timers WHERE name=?", (name,)).fetchone()
            return TimerRow(*row)

        return self._file.read(query)

    async def move(self, name: str, *, due: float, to: float) -> bool:
        """Skip a due time without a run. False when somebody else was first."""
        return await self._changed("UPDATE timers SET due=? WHERE name=? AND due=? AND runner=''", (to, name, due))

    async def claim(self, name: str, *, row: TimerRow) -> bool:
        """Start a run. False when somebody else has it, or had it; a runner that is gone does not count."""
        if row.runner and not owners.gone(row.runner):
            return False
        return await self._changed(
            "UPDATE timers SET runner=? WHERE name=? AND due=? AND runner=?", (self._process, name, row.due, row.runner)
        )

    async def finish(self, name: str, *, last: float, due: float) -> None:
        """End the run that this process claimed."""
        await self._changed("UPDATE timers SET runner='', last=?, due=? WHERE name=?", (last, due, name))

    async def _changed(self, statement: str, values: tuple[object, ...]) -> bool:
        return await self._file.write(lambda c: c.execute(statement, values).rowcount > 0)

    async def close(self) -> None:
        """Close the file."""
        await self._file.close()

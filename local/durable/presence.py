"""Who has the Durable engine's file open: whose locks those are, and where wake-ups go."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from dataclasses import dataclass
from functools import partial

from shared import owners, telemetry
from shared.messages import PraxosError, QueueUnavailable
from shared.sqlite import SqliteFile
from shared.wakeups import Wakeups

GONE_SECONDS = 1.0
"""How often the locks of processes that are gone are looked for, and who else has the file open."""

_log = telemetry.logger("local.durable")


@dataclass(frozen=True, slots=True)
class _Holder:
    number: int
    process: str
    port: int


def _holders(connection: sqlite3.Connection) -> list[_Holder]:
    return [_Holder(*row) for row in connection.execute("SELECT number, process, port FROM holders")]


def _add(connection: sqlite3.Connection, process: str, port: int) -> int:
    added = connection.execute("INSERT INTO holders (process, port) VALUES (?,?) RETURNING number", (process, port))
    number: int = added.fetchone()[0]
    return number


def _void(connection: sqlite3.Connection, number: int) -> None:
    """End every lock of a holder and forget it."""
    connection.execute("UPDATE instances SET lock='', locked_until=0 WHERE holder=? AND locked_until>0", (number,))
    connection.execute("UPDATE tasks SET lock='', locked_until=0 WHERE holder=? AND locked_until>0", (number,))
    connection.execute("DELETE FROM holders WHERE number=?", (number,))


class Presence:
    """One object's place among those that have the file open. Only who works needs one; anybody may ring."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._wakeups = Wakeups()
        self._process = owners.this_process()
        self._joining: asyncio.Future[int] | None = None
        self._others: list[_Holder] = []
        self._others_read = self._gone_checked = -GONE_SECONDS
        self._closed = False

    async def join(self) -> int:
        """Register once; return this holder's number. Raises QueueUnavailable."""
        if self._joining is None or (self._joining.done() and self._joining.exception()):
            self._joining = asyncio.ensure_future(self._register())
        return await asyncio.shield(self._joining)

    async def _register(self) -> int:
        port = await self._wakeups.listen()
        number = await self._file.write(lambda c: _add(c, self._process, port))
        await self._void_gone()
        return number

    async def wait(self, kind: str, timeout: float) -> None:
        """Return when somebody rings, or after `timeout` seconds."""
        if time.monotonic() - self._gone_checked >= GONE_SECONDS and await self._void_gone():
            return
        if not self._closed:
            await self._wakeups.wait([kind], timeout)

    async def _void_gone(self) -> bool:
        """End the locks of processes that are gone; return whether there were any."""
        self._gone_checked = time.monotonic()
        gone = [
            each for each in self._file.read(_holders) if each.process != self._process and owners.gone(each.process)
        ]
        try:
            for holder in gone:
                await self._file.write(partial(_void, number=holder.number))
        except QueueUnavailable as error:
            _log.warning("locks of ended processes stay until they expire: %s", error)
        if gone:
            self._wakeups.wake(self._wakeups.waiting())
        return bool(gone)

    def ring(self, kind: str) -> None:
        """Wake whoever waits for a kind of work, here and in other processes."""
        self._wakeups.wake([kind])
        if time.monotonic() - self._others_read >= GONE_SECONDS:
            self._others_read = time.monotonic()
            self._others = self._file.read(_holders)
        mine = self._number()
        if ports := [each.port for each in self._others if each.number != mine]:
            self._wakeups.tell(ports, [kind])

    def _number(self) -> int | None:
        joined = self._joining is not None and self._joining.done() and not self._joining.exception()
        return self._joining.result() if self._joining and joined else None

    async def close(self) -> None:
        """End the locks that are still held."""
        self._closed = True
        try:
            if self._joining:
                number = await self._joining
                await self._file.write(lambda c: _void(c, number))
        except PraxosError as error:
            _log.warning("locks stay until they expire: %s", error)
        self._wakeups.close()

"""A broker's place among those that have the SQLite file open: it is registered, rings, and clears up after the dead."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable
from functools import partial

from shared import owners, telemetry
from shared.messages import PraxosError, QueueUnavailable
from shared.queues import sqlite_holders as holders
from shared.sqlite import SqliteFile
from shared.wakeups import Wakeups, key

GONE_SECONDS = 1.0
"""How often the locks of processes that are gone are looked for."""
OTHERS_SECONDS = 0.25
"""How often it is looked who else has the file open."""

_log = telemetry.logger("queues")


class Presence:
    """Registers a broker on its first use, so that its locks end with its process and others can wake it."""

    def __init__(self, *, file: SqliteFile, wakeups: Wakeups) -> None:
        self._file = file
        self._wakeups = wakeups
        self._process = owners.this_process()
        self._number: int | None = None
        self._joining: asyncio.Future[int] | None = None
        self._listening: set[str] = set()
        self._others: list[holders.Holder] = []
        self._others_read = self._gone_checked = -GONE_SECONDS
        self._voiding: asyncio.Task[None] | None = None

    async def join(self) -> int:
        """Register this broker once; return its number. Raises QueueUnavailable."""
        if self._number is None:
            if self._joining is None or self._joining.done():
                self._joining = asyncio.ensure_future(self._register())
            self._number = await asyncio.shield(self._joining)
        return self._number

    async def _register(self) -> int:
        port = await self._wakeups.listen()
        number = await self._file.write(lambda c: holders.add(c, self._process, port))
        await self._void_gone()
        return number

    async def listen(self, queues: Collection[str]) -> None:
        """Let others ring for these queues too. Raises QueueUnavailable."""
        if self._listening.issuperset(queues):
            return
        self._listening.update(queues)
        number = await self.join()
        await self._file.write(partial(holders.listen, number=number, queues=self._listening))

    def ring(self, queue: str, sessions: Iterable[str]) -> None:
        """Wake whoever waits for the queue, or for one of these sessions of it, here and in other processes."""
        keys = [key(queue, session) for session in sessions]
        self._wakeups.wake(keys)
        if time.monotonic() - self._others_read > OTHERS_SECONDS:
            self._read_others()
        ports = [holder.port for holder in self._others if queue in holder.queues]
        if ports:
            self._wakeups.tell(ports, keys)

    def _read_others(self) -> None:
        self._others_read = time.monotonic()
        self._others = [each for each in self._file.read(holders.all_holders) if each.number != self._number]

    def look_for_gone(self) -> None:
        """Now and then, and beside what runs: end the locks of processes that are gone."""
        if time.monotonic() - self._gone_checked >= GONE_SECONDS and (self._voiding is None or self._voiding.done()):
            self._voiding = asyncio.get_running_loop().create_task(self._void_gone())

    async def _void_gone(self) -> None:
        self._gone_checked = time.monotonic()
        others = [each for each in self._file.read(holders.all_holders) if each.process != self._process]
        gone = [each for each in others if owners.gone(each.process)]
        try:
            for holder in gone:
                await self._file.write(partial(holders.void, number=holder.number))
        except QueueUnavailable as error:
            _log.warning("locks of ended processes stay until they expire: %s", error)
        self._wakeups.wake(self._wakeups.waiting() if gone else ())

    async def leave(self) -> None:
        """End the locks that this broker still holds, and forget it."""
        try:
            if self._joining:
                number = await self._joining
                await self._file.write(lambda c: holders.void(c, number))
            if self._voiding:
                await self._voiding
        except PraxosError as error:
            _log.warning("locks stay until they expire: %s", error)

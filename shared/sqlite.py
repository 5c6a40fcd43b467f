"""One SQLite file behind one event loop: group commit, no thread hop while nobody else holds its lock."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from shared.messages import SettingError, Transient
from shared.settings import Sync

T = TypeVar("T")

RETRY_SECONDS = 0.0005
"""How soon the loop tries again when another process has the lock, which is mostly for a fraction of a millisecond."""
RETRIES = 10
"""How often; then a thread waits instead."""
THREAD_WAIT_MS = 10_000
GATHER_TURNS = 2
"""How many more turns of the loop a group waits for others, at most. What arrived meanwhile is read in them: where turns are
short, as with many webhooks, that nearly halves the number of commits; and an idle loop turns at once."""
GATHER_SECONDS = 0.002
"""A group that has waited for so long waits no further turn: where turns are long, one is enough."""
GROUP = 200
"""The most writes in one transaction."""
CHECKPOINT_PAGES = 10_000
"""How much is written before it is moved into the file itself (40 MB): that waits for the disk, and the loop with it."""

_Then = Callable[[Any], None]
_Write = tuple[Callable[[sqlite3.Connection], object], asyncio.Future[object], _Then | None]
_Outcome = tuple[_Write, object, Exception | None]


class SqliteFile:
    """A database file whose writes are committed in groups.

    All writes that are asked for within a few turns of the event loop share a transaction; one which raises takes nothing of
    the others with it. `write` returns when its group is committed.
    """

    def __init__(self, path: Path, *, schema: str, version: int, sync: Sync, busy: type[Transient]) -> None:
        """Open or create the file. Raises SettingError where it cannot be, or where it is of a newer version."""
        self._path = path
        self._busy = busy
        self._waiting: list[_Write] = []
        self._flushing: asyncio.Task[None] | None = None
        self._scheduled: asyncio.Handle | None = None
        self._patient: asyncio.TimerHandle | None = None
        self._retries = 0
        self._waits_ms = THREAD_WAIT_MS
        # Where a commit waits for the disk, it waits in a thread.
        self._inline = sync is Sync.NORMAL
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._refuse_newer(version)
            self._writer = self._connect(sync)
            self._reader = self._connect(sync)
            self._prepare(schema, version)
        except (OSError, sqlite3.OperationalError, sqlite3.DatabaseError) as error:
            raise SettingError(f"PRAXOS_HOME: {path} cannot be used: {error}") from None
        self._reader.execute("PRAGMA query_only=ON")

    def _connect(self, sync: Sync) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, cached_statements=256)
        connection.execute(f"PRAGMA busy_timeout={THREAD_WAIT_MS}")
        _log_ahead(connection)
        connection.execute(f"PRAGMA synchronous={sync.value}")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        self._path.chmod(0o600)
        return connection

    def _refuse_newer(self, version: int) -> None:
        if not self._path.exists():
            return
        # Read-only, before anything else: a file of a newer version is left exactly as it is.
        connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            found: int = connection.execute("PRAGMA user_version").fetchone()[0]
        finally:
            connection.close()
        if found > version:
            raise SettingError(
                f"PRAXOS_HOME: {self._path} was written by a newer Praxos (format {found}, this one knows {version}); "
                "use that version, or another data folder"
            )

    def _prepare(self, schema: str, version: int) -> None:
        if self._version() >= version:
            return
        with self._writer:  # commits, or rolls back
            self._writer.execute("BEGIN IMMEDIATE")
            if self._version() >= version:  # another process made it while this one waited
                return
            for statement in schema.split(";"):
                self._writer.execute(statement)
            self._writer.execute(f"PRAGMA user_version={version}")

    def _version(self) -> int:
        found: int = self._writer.execute("PRAGMA user_version").fetchone()[0]
        return found

    def read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a read on the loop. It sees what is committed, and must be small: point reads and short ranges.

        The writer's connection is used where no thread has it, because its own commits leave its page cache valid.
        """
        if self._flushing is None:
            try:
                return function(self._writer)
            except sqlite3.OperationalError:
                pass  # it does not wait for a lock, and the reader does
        return function(self._reader)

    async def write(
        self,
        function: Callable[[sqlite3.Connection], T],
        *,
        then: Callable[[T], None] | None = None,
        patience: float = 0.0,
    ) -> T:
        """Run `function` in the next group's transaction; return its result once that is committed.

        It may be run more than once, so it must do nothing but use the connection. `then` is given the result right
        after the commit, also where whoever called was cancelled meanwhile. With `patience`, the write may wait for so
        many seconds for others to share its transaction.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[object] = loop.create_future()
        self._waiting.append((function, future, then))
        if not patience:
            self._schedule()
        elif self._patient is None:
            self._patient = loop.call_later(patience, self._schedule)
        return await future  # type: ignore[return-value]  # the future is resolved with function's own result

    def _schedule(self) -> None:
        if self._patient:
            self._patient.cancel()
            self._patient = None
        if self._waiting and self._scheduled is None and self._flushing is None:
            loop = asyncio.get_running_loop()
            self._scheduled = loop.call_soon(self._gather, GATHER_TURNS, loop.time() + GATHER_SECONDS)

    def _gather(self, turns: int, end: float) -> None:
        loop = asyncio.get_running_loop()
        if turns and loop.time() < end:
            self._scheduled = loop.call_soon(self._gather, turns - 1, end)
        else:
            self._start()

    def _start(self) -> None:
        self._scheduled = None
        if not self._inline:
            self._wait_in_thread()
            return
        group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
        try:
            outcome = self._commit(group, 0)
        except sqlite3.OperationalError:
            self._waiting[:0] = group
            self._retries += 1
            if self._retries > RETRIES:
                self._wait_in_thread()
            else:
                self._scheduled = asyncio.get_running_loop().call_later(RETRY_SECONDS, self._start)
        else:
            self._retries = 0
            self._settle(outcome)
            self._schedule()

    def _wait_in_thread(self) -> None:
        self._retries = 0
        self._flushing = asyncio.get_running_loop().create_task(self._flush_in_thread())

    async def _flush_in_thread(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
                try:
                    outcome = await asyncio.to_thread(self._commit, group, THREAD_WAIT_MS)
                except sqlite3.Error as error:
                    for _, future, _ in group:
                        if not future.done():
                            future.set_exception(self._busy(f"{self._path.name} could not be written: {error}"))
                else:
                    self._settle(outcome)
                if self._inline:
                    break
        finally:
            self._flushing = None
            self._schedule()

    def _commit(self, group: list[_Write], wait_ms: int) -> list[_Outcome]:
        connection = self._writer
        self._wait_at_most(wait_ms)
        connection.execute("BEGIN IMMEDIATE")
        try:
            try:
                outcome: list[_Outcome] = [(one, one[0](connection), None) for one in group]
            except Exception:  # noqa: BLE001  found again, and handed to whoever awaits it, by the next line
                outcome = self._apart(group)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return outcome

    def _apart(self, group: list[_Write]) -> list[_Outcome]:
        """Do the group again, each write with a savepoint: few raise, so that the others are spared the cost of one."""
        connection = self._writer
        connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        outcome: list[_Outcome] = []
        for one in group:
            connection.execute("SAVEPOINT one")
            try:
                outcome.append((one, one[0](connection), None))
            except Exception as error:  # noqa: BLE001  handed to whoever awaits this write
                connection.execute("ROLLBACK TO one")
                outcome.append((one, None, error))
            connection.execute("RELEASE one")
        return outcome

    def _wait_at_most(self, milliseconds: int) -> None:
        if milliseconds != self._waits_ms:
            self._writer.execute(f"PRAGMA busy_timeout={milliseconds}")
            self._waits_ms = milliseconds

    @staticmethod
    def _settle(outcome: list[_Outcome]) -> None:
        for (_, future, then), result, error in outcome:
            if then and error is None:
                then(result)
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    async def close(self) -> None:
        """Commit what waits and close the file."""
        while self._waiting or self._flushing or self._scheduled:
            await (self._flushing or asyncio.sleep(RETRY_SECONDS))
        self._reader.close()
        self._writer.close()


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging. SQLite itself does not wait while another process makes the same switch."""
    deadline = time.monotonic() + THREAD_WAIT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.005)
        else:
            return

"""The SQLite file: writes in groups, each with its own fate, and clear words when the file cannot be used."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.messages import SettingError, StoreUnavailable
from shared.settings import Sync
from shared.sqlite import SqliteFile

SCHEMA = "CREATE TABLE item (n INTEGER PRIMARY KEY)"


def opened(path: Path, *, version: int = 1, sync: Sync = Sync.NORMAL) -> SqliteFile:
    return SqliteFile(path / "x.db", schema=SCHEMA, version=version, sync=sync, busy=StoreUnavailable)


def insert(n: int) -> Callable[[sqlite3.Connection], object]:
    return lambda connection: connection.execute("INSERT INTO item VALUES (?)", (n,)).lastrowid


def count(file: SqliteFile) -> int:
    return int(file.read(lambda connection: connection.execute("SELECT count(*) FROM item").fetchone()[0]))


@pytest.mark.parametrize("sync", list(Sync))
async def test_one_failure_takes_nothing_of_its_group_with_it(tmp_path: Path, sync: Sync) -> None:
    file = opened(tmp_path, sync=sync)
    outcomes = await asyncio.gather(*(file.write(insert(n)) for n in (1, 2, 2, 3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, int, sqlite3.IntegrityError, int]
    assert count(file) == 3
    await file.close()


async def test_a_write_is_committed_when_it_returns(tmp_path: Path) -> None:
    file = opened(tmp_path)
    await file.write(insert(1))
    with sqlite3.connect(tmp_path / "x.db") as other:
        assert other.execute("SELECT count(*) FROM item").fetchone() == (1,)
    await file.close()


async def test_what_is_asked_for_a_turn_of_the_loop_later_shares_the_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.sqlite.GATHER_SECONDS", 60.0)  # however slow the machine
    file = opened(tmp_path)
    begun: list[str] = []
    file._writer.set_trace_callback(lambda sql: begun.append(sql) if sql.startswith("BEGIN") else None)
    first = asyncio.create_task(file.write(insert(1)))
    await asyncio.sleep(0)  # it has asked
    await asyncio.sleep(0)
    assert await file.write(insert(2)) == 2
    assert await first == 1
    assert len(begun) == 1
    await file.close()


async def test_a_patient_write_shares_the_transaction_of_the_next(tmp_path: Path) -> None:
    file = opened(tmp_path)
    patient = asyncio.create_task(file.write(insert(1), patience=60))
    for _ in range(10):
        await asyncio.sleep(0)
    assert count(file) == 0
    await file.write(insert(2))
    assert await patient == 1
    await file.close()


async def test_a_patient_write_that_stays_alone_is_done_after_its_time(tmp_path: Path) -> None:
    file = opened(tmp_path)
    assert await asyncio.wait_for(file.write(insert(1), patience=0.01), 10) == 1
    await file.close()


@pytest.mark.parametrize("sync", list(Sync))
async def test_what_follows_a_commit_hears_of_it_though_the_writer_was_cancelled(tmp_path: Path, sync: Sync) -> None:
    file = opened(tmp_path, sync=sync)
    heard: list[object] = []
    write = asyncio.create_task(file.write(insert(7), then=heard.append))
    await asyncio.sleep(0)
    write.cancel()
    await asyncio.wait([write])
    await file.close()
    assert heard == [7]


async def test_another_process_holding_the_lock_does_not_hold_up_the_loop(tmp_path: Path) -> None:
    file = opened(tmp_path)
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    write = asyncio.create_task(file.write(insert(1)))
    turns = 0
    while turns < 50:
        await asyncio.sleep(0.001)
        turns += 1
    assert not write.done()
    other.execute("COMMIT")
    await asyncio.wait_for(write, 5)
    assert count(file) == 1
    other.close()
    await file.close()


async def test_many_writers_on_one_file_lose_nothing(tmp_path: Path) -> None:
    files = [opened(tmp_path) for _ in range(3)]
    await asyncio.gather(*(file.write(insert(n * 3 + at)) for n in range(200) for at, file in enumerate(files)))
    assert count(files[0]) == 600
    for file in files:
        await file.close()


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version=9")
    before = path.read_bytes()
    with pytest.raises(SettingError, match="newer Praxos") as caught:
        opened(tmp_path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database, and long enough to be looked at" * 100)
    with pytest.raises(SettingError, match=r"x\.db cannot be used"):
        opened(tmp_path)


async def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    file = opened(tmp_path)
    assert stat.S_IMODE((tmp_path / "x.db").stat().st_mode) == 0o600
    await file.close()


def test_many_processes_may_make_a_new_file_at_once(tmp_path: Path) -> None:
    for n in range(10):
        together = threading.Barrier(8)

        def start(folder: Path, together: threading.Barrier) -> SqliteFile:
            together.wait()
            return opened(folder)

        with ThreadPoolExecutor(8) as pool:
            files = list(pool.map(start, [tmp_path / str(n)] * 8, [together] * 8))
        assert [count(file) for file in files] == [0] * 8

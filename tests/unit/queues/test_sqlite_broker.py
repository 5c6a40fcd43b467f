"""What the SQLite broker does beyond the contract: processes that die, files that do not fit."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.messages import SettingError
from shared.ports import QueueMessage
from shared.queues.sqlite import FILE, SqliteBroker
from shared.settings import Sync
from shared.steps import Step
from shared.topology import BACKGROUND, INBOUND, TURNS
from tests.fakes.clock import ManualClock

ROOT = Path(__file__).resolve().parents[3]
LONG = 30.0

HOLDER = """
import asyncio, sys
from datetime import datetime, timedelta
from pathlib import Path
from shared.clock import SystemClock
from shared.queues.sqlite import SqliteBroker
from shared.settings import Sync
from tests.fakes.clock import ManualClock

async def main():
    broker = SqliteBroker(path=Path(sys.argv[1]), sync=Sync.NORMAL, clock=ManualClock())
    session = await broker.accept_session(queue="inbound")
    in_session = await broker.receive_session(queue="inbound", session=session, limit=1)
    messages = await broker.receive(queue="turns", limit=1)
    print(len(in_session), len(messages), flush=True)
    await broker.wait(queues=["background"], timeout=60)
    print(len(await broker.receive(queue="background", limit=10)), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def open_broker(path: Path) -> SqliteBroker:
    return SqliteBroker(path=path, sync=Sync.NORMAL, clock=ManualClock())


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """A file with one message in a session and one without, sent by a broker that is closed."""
    broker = open_broker(tmp_path / FILE)
    message = QueueMessage(body=b"a", id="a", session="s")
    await broker.send(step=Step.ENQUEUE, queue=INBOUND, messages=[message])
    await broker.send(step=Step.RING_TURN, queue=TURNS, messages=[message])
    await broker.close()
    return tmp_path / FILE


@pytest.fixture
async def holder(file: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process that has locked both messages and waits for a third."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(file), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    assert await asyncio.wait_for(process.stdout.readline(), LONG) == b"1 1\n"
    yield process
    if process.returncode is None:
        process.kill()
    await process.wait()


async def both(broker: SqliteBroker) -> tuple[int, int]:
    """The delivery counts of the two messages, 0 for one that is locked."""
    session = await broker.accept_session(queue=INBOUND)
    in_session = await broker.receive_session(queue=INBOUND, session=session, limit=1) if session else ()
    plain = await broker.receive(queue=TURNS, limit=1)
    return in_session[0].delivery_count if in_session else 0, plain[0].delivery_count if plain else 0


async def test_the_locks_of_a_killed_process_are_void_when_the_file_is_opened(
    file: Path, holder: asyncio.subprocess.Process
) -> None:
    holder.kill()
    await holder.wait()
    broker = open_broker(file)
    assert await both(broker) == (2, 2)
    await broker.close()


async def test_the_locks_of_a_process_that_dies_later_are_void_soon(
    file: Path, holder: asyncio.subprocess.Process
) -> None:
    broker = open_broker(file)
    assert await both(broker) == (0, 0)
    holder.kill()
    await holder.wait()
    # Well below the lock's duration: no time passes on the broker's clock.
    await asyncio.wait_for(broker.wait(queues=[TURNS], timeout=LONG), LONG / 2)
    await asyncio.wait_for(broker.wait(queues=[INBOUND], timeout=LONG), LONG / 2)
    assert await both(broker) == (2, 2)
    await broker.close()


async def test_the_locks_of_a_frozen_process_stand(file: Path, holder: asyncio.subprocess.Process) -> None:
    os.kill(holder.pid, signal.SIGSTOP)
    broker = open_broker(file)
    assert await both(broker) == (0, 0)
    os.kill(holder.pid, signal.SIGCONT)
    await broker.close()


async def test_another_process_hears_of_a_message(file: Path, holder: asyncio.subprocess.Process) -> None:
    broker = open_broker(file)
    await broker.send(step=Step.RING_TURN, queue=BACKGROUND, messages=[QueueMessage(body=b"", id="b")])
    assert holder.stdout
    assert await asyncio.wait_for(holder.stdout.readline(), LONG) == b"1\n"
    await broker.close()


async def test_closing_gives_back_what_is_held(file: Path) -> None:
    first, second = open_broker(file), open_broker(file)
    assert await both(first) == (1, 1)
    assert await both(second) == (0, 0)
    await first.close()
    assert await both(second) == (2, 2)
    await second.close()


def test_a_file_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / FILE
    asyncio.run(open_broker(path).close())
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(SettingError, match="newer"):
        open_broker(path)
    assert path.read_bytes() == before


async def test_used_ids_are_forgotten_after_their_window(tmp_path: Path) -> None:
    clock = ManualClock()
    broker = SqliteBroker(path=tmp_path / FILE, sync=Sync.NORMAL, clock=clock)
    for number in range(200):
        message = QueueMessage(body=b"", id=str(number), session="s")
        await broker.send(step=Step.ENQUEUE, queue=INBOUND, messages=[message])
        clock.pass_(seconds=600)
    await broker.close()
    connection = sqlite3.connect(tmp_path / FILE)
    [kept] = connection.execute("SELECT count(*) FROM seen").fetchone()
    connection.close()
    assert kept <= 7 + 16, "the window of an hour, and what came since somebody tidied up"


async def test_a_burst_of_sends_shares_commits_and_keeps_its_order(tmp_path: Path) -> None:
    broker = open_broker(tmp_path / FILE)
    sends = [
        broker.send(step=Step.RING_TURN, queue=TURNS, messages=[QueueMessage(body=str(n).encode(), id=str(n))])
        for n in range(500)
    ]
    await asyncio.gather(*sends)
    received = await broker.receive(queue=TURNS, limit=500)
    assert [int(message.body) for message in received] == list(range(500))
    await broker.close()

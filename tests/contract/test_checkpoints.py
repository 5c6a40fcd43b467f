"""What every implementation of Checkpoints does: the library's own graph goes on from it."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.types import Interrupt

from shared.messages import SettingError, StoreUnavailable
from shared.ports import Checkpoints
from shared.settings import Sync
from shared.storage import whole_file
from shared.storage.checkpoints import SqliteCheckpoints
from tests.fakes import cosmos
from tests.fakes.checkpoints import MemoryCheckpoints
from tests.fakes.cosmos import cosmium, vercel


@asynccontextmanager
async def memory(path: Path) -> AsyncIterator[Checkpoints]:
    yield MemoryCheckpoints()


@asynccontextmanager
async def sqlite(path: Path) -> AsyncIterator[Checkpoints]:
    yield SqliteCheckpoints(path=path / "new" / "checkpoints.db", sync=Sync.NORMAL)


@asynccontextmanager
async def cosmos_front(path: Path) -> AsyncIterator[Checkpoints]:
    """The library's saver and the real SDK against our own front."""
    async with cosmos.running(path) as front:
        yield cosmos.checkpoints(front.url)


@asynccontextmanager
async def cosmos_cosmium(path: Path) -> AsyncIterator[Checkpoints]:
    """The library's saver and the real SDK against a server that others wrote."""
    async with cosmium.running() as url:
        yield cosmos.checkpoints(url)


@asynccontextmanager
async def cosmos_vercel(path: Path) -> AsyncIterator[Checkpoints]:
    """The same against another one."""
    async with vercel.running() as url:
        yield cosmos.checkpoints(url)


@asynccontextmanager
async def cosmos_service(path: Path) -> AsyncIterator[Checkpoints]:
    """The library's saver and the real SDK against the account of COSMOS_ENDPOINT."""
    service = cosmos.service()
    yield cosmos.checkpoints(service.url, key=service.key)


MESSAGES = [
    AIMessage("hi", id="own-1", tool_calls=[{"name": "say", "args": {"text": "ü"}, "id": "c", "type": "tool_call"}]),
    ToolMessage("done", tool_call_id="c", name="say", artifact={"attachments": [{"name": "a.txt"}]}),
]


@pytest.fixture(params=[memory, sqlite, cosmos_front, cosmos_cosmium, cosmos_vercel, cosmos_service])
async def checkpoints(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Checkpoints]:
    implementation: Callable[[Path], AbstractAsyncContextManager[Checkpoints]] = request.param
    async with implementation(tmp_path) as made:
        yield made
        await made.close()


async def put(checkpoints: Checkpoints, thread: str) -> tuple[str, dict[str, Any]]:
    saver = await checkpoints.open()
    checkpoint = {**empty_checkpoint(), "channel_values": {"messages": MESSAGES}, "channel_versions": {"messages": 3}}
    at = await saver.aput(
        {"configurable": {"thread_id": thread, "checkpoint_ns": ""}},
        checkpoint,  # type: ignore[arg-type]  # a plain dictionary of its fields
        {"source": "loop", "step": 4, "parents": {}},
        {"messages": 3},
    )
    return str(checkpoint["id"]), dict(at)


async def test_gives_back_what_was_put_with_the_writes_that_came_after_it(checkpoints: Checkpoints) -> None:
    id, at = await put(checkpoints, "t:1.0")
    saver = await checkpoints.open()
    asked = [Interrupt(value={"type": "uncertain", "args": {"n": 1}}, id="a" * 32)]
    await saver.aput_writes(at, [("__interrupt__", asked), ("__resume__", [{"type": "approve"}])], "task-1")  # type: ignore[arg-type]
    await saver.aput_writes(at, [("messages", [MESSAGES[1]])], "task-2")  # type: ignore[arg-type]

    found = await saver.aget_tuple({"configurable": {"thread_id": "t:1.0", "checkpoint_ns": "", "checkpoint_id": id}})

    assert found
    assert found.checkpoint["channel_values"]["messages"] == MESSAGES
    assert found.checkpoint["channel_versions"] == {"messages": 3}
    assert found.metadata["step"] == 4
    assert sorted(found.pending_writes or [], key=str) == sorted(
        [
            ("task-1", "__interrupt__", asked),
            ("task-1", "__resume__", [{"type": "approve"}]),
            ("task-2", "messages", [MESSAGES[1]]),
        ],
        key=str,
    )


async def test_discards_the_threads_that_are_named_and_no_other(checkpoints: Checkpoints) -> None:
    for thread in ("t:1.0", "t:1.1", "t:1.10"):
        await put(checkpoints, thread)

    await checkpoints.discard(threads=["t:1.0", "t:1.1", "never"])

    saver = await checkpoints.open()
    left = [
        thread
        for thread in ("t:1.0", "t:1.1", "t:1.10")
        if await saver.aget_tuple({"configurable": {"thread_id": thread, "checkpoint_ns": ""}})
    ]
    assert left == ["t:1.10"]


# --- the file ---


def on_disk(tmp_path: Path) -> SqliteCheckpoints:
    return SqliteCheckpoints(path=tmp_path / "checkpoints.db", sync=Sync.NORMAL)


async def test_another_process_reads_what_is_put_while_both_have_it_open(tmp_path: Path) -> None:
    ours = on_disk(tmp_path)
    await put(ours, "ours")
    code = f"""
import asyncio
from pathlib import Path
from tests.contract.test_checkpoints import on_disk, put
async def main():
    theirs = on_disk(Path({str(tmp_path)!r}))
    saver = await theirs.open()
    assert await saver.aget_tuple({{"configurable": {{"thread_id": "ours", "checkpoint_ns": ""}}}})
    await put(theirs, "theirs")
    await theirs.close()
asyncio.run(main())
"""
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    saver = await ours.open()
    assert await saver.aget_tuple({"configurable": {"thread_id": "theirs", "checkpoint_ns": ""}})
    await ours.close()


async def test_the_file_is_its_owners_alone_and_appears_whole(tmp_path: Path) -> None:
    several = [on_disk(tmp_path) for _ in range(4)]
    await asyncio.gather(*(one.open() for one in several))

    assert stat.S_IMODE((tmp_path / "checkpoints.db").stat().st_mode) == 0o600
    await asyncio.gather(*(one.close() for one in several))
    left = {path.name for path in tmp_path.glob("*")}  # noqa: ASYNC240  nothing waits for this loop
    assert left <= {"checkpoints.db", "checkpoints.db-wal", "checkpoints.db-shm"}


async def test_a_busy_file_is_the_store_being_away_and_nothing_is_left_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_file, "BUSY_MS", 1)
    ours = on_disk(tmp_path)
    await ours.open()
    other = sqlite3.connect(tmp_path / "checkpoints.db")
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable, match="did not answer"):
        await put(ours, "t")
    await ours.discard(threads=["t"])  # best effort
    other.execute("COMMIT")
    other.execute("CREATE TABLE proof (x)")
    other.close()

    await put(ours, "t")
    await ours.close()


async def test_a_file_that_is_no_database_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "checkpoints.db").write_bytes(b"not a database, but long enough to look at" * 100)

    with pytest.raises(SettingError, match=r"PRAXOS_HOME: .*checkpoints.db cannot be used"):
        await on_disk(tmp_path).open()

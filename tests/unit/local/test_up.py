"""`python -m local up` as a person or a supervisor meets it: one line, clear errors, a clean end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from shared.queues.sqlite import FILE

ROOT = Path(__file__).resolve().parents[3]
LONG = 60.0

Up = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def up(tmp_path: Path) -> AsyncIterator[Up]:
    """Starts the command in a process of its own."""
    started: list[asyncio.subprocess.Process] = []

    async def one(*arguments: str, **environ: str) -> asyncio.subprocess.Process:
        variables = {**os.environ, "PRAXOS_HOME": str(tmp_path / "home"), "PRAXOS_PORT": "0", **environ}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "local", "up", *arguments, cwd=ROOT, env=variables,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return process

    yield one
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout
    return (await asyncio.wait_for(process.stdout.readline(), LONG)).decode().rstrip("\n")


async def end(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    out, err = await asyncio.wait_for(process.communicate(), LONG)
    return process.returncode, out.decode(), err.decode()


def ask(url: str) -> int:
    with urllib.request.urlopen(url, timeout=LONG) as response:
        return response.status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_prints_one_line_serves_and_ends_cleanly(up: Up, number: signal.Signals) -> None:
    process = await up()
    url = await line(process)
    assert url.startswith("http://127.0.0.1:")
    assert url.endswith("/api/chat")
    assert await asyncio.to_thread(ask, url.replace("/chat", "/health/live")) == 200
    process.send_signal(number)
    code, out, err = await end(process)
    assert (code, err) == (0, "")
    assert "http" not in out, "the address is said once"


async def test_a_role_starts_in_a_process_of_its_own(up: Up) -> None:
    processes = {role: await up("--role", role) for role in ("http", "dead_letters", "sweeper")}
    for role, process in processes.items():
        ready = await line(process)
        assert ready.endswith("/api/chat") if role == "http" else ready == f"ready: {role}"
    for role, process in processes.items():
        process.send_signal(signal.SIGTERM)
        code, _, err = await end(process)
        assert (code, err) == (0, ""), role


async def test_it_starts_again_after_it_was_killed(up: Up) -> None:
    process = await up()
    await line(process)
    process.kill()
    await process.wait()
    assert (await line(await up())).endswith("/api/chat")


def refused(ended: tuple[int | None, str, str], *words: str) -> None:
    """It ended with one clear line."""
    code, out, err = ended
    assert code, err
    assert not out
    assert len(err.splitlines()) == 1, err
    for word in words:
        assert word in err


async def test_a_port_in_use_is_said(up: Up) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused(await end(await up(PRAXOS_PORT=port)), "PRAXOS_PORT", port, "in use")


async def test_a_setting_that_is_wrong_is_said(up: Up) -> None:
    refused(await end(await up(PRAXOS_PORT="many")), "PRAXOS_PORT")
    refused(await end(await up(PRAXOS_SWEEP_EVERY="often")), "sweeper", "often")


async def test_a_folder_that_cannot_be_used_is_said(up: Up, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    refused(await end(await up(PRAXOS_HOME=str(tmp_path / "file"))), "PRAXOS_HOME")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_cannot_be_written_is_said(up: Up, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o500)
    refused(await end(await up()), "PRAXOS_HOME")


async def test_data_of_a_newer_version_is_said_and_left_alone(up: Up, tmp_path: Path) -> None:
    process = await up()
    await line(process)
    process.send_signal(signal.SIGTERM)
    await end(process)
    file = tmp_path / "home" / FILE
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    before = await asyncio.to_thread(file.read_bytes)
    refused(await end(await up()), "newer", FILE)
    assert await asyncio.to_thread(file.read_bytes) == before


async def test_an_unknown_role_is_said(up: Up) -> None:
    code, _, err = await end(await up("--role", "nonsense"))
    assert code == 2
    assert "nonsense" in err


async def test_a_queue_that_only_sends_is_refused_by_name(up: Up) -> None:
    process = await up(
        PRAXOS_QUEUE="servicebus", ServiceBusConnection__fullyQualifiedNamespace="nobody.servicebus.windows.net"
    )
    _, said = await asyncio.wait_for(process.communicate(), LONG)
    assert process.returncode == 2
    assert said.decode().startswith("PRAXOS_QUEUE=servicebus only sends, and this host has to receive")

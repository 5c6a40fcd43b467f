"""Processes that a benchmark starts: each in a folder of its own, stopped by its id, whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

ROOT = Path(__file__).resolve().parents[1]
LOOPBACK = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 20.0
_NOT_TAKEN_OVER = ("PRAXOS_", "TELEGRAM_", "OPENAI_", "GOOGLE_", "PORTKEY_", "LANGSMITH_", "LANGCHAIN_", "PYTHON")


class NotStarted(Exception):
    """A process did not get ready. The message holds the end of what it wrote."""


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def folder() -> AsyncIterator[Path]:
    """A temporary folder."""
    with tempfile.TemporaryDirectory(prefix="praxos-bench-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def environment(**variables: str) -> dict[str, str]:
    """Ours, without any setting that would change what is measured, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_TAKEN_OVER)}
    return {**kept, "LANGSMITH_TRACING": "false", **variables}


async def spawn(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path = ROOT, log: Path | None = None
) -> Process:
    """Start a process. Its standard output can be read; its standard error goes to `log`."""
    errors = log.open("ab") if log else None
    try:
        return await asyncio.create_subprocess_exec(
            *command, env=dict(env), cwd=cwd, stdin=DEVNULL, stdout=PIPE, stderr=errors or DEVNULL
        )
    finally:
        if errors:
            errors.close()


def python(*arguments: str) -> list[str]:
    """A command of this same Python."""
    return [sys.executable, *arguments]


async def output(command: Sequence[str], *, env: Mapping[str, str]) -> str:
    """Run a command to its end; return what it printed. Raises NotStarted where it fails."""
    process = await spawn(command, env=env)
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), START_SECONDS)
    finally:
        await stop(process)
    if process.returncode:
        raise NotStarted(f"{' '.join(command)} ended with {process.returncode}")
    return printed.decode()


@asynccontextmanager
async def running(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path, ready: str = ""
) -> AsyncIterator[Process]:
    """A process that has said it is ready by a line on standard output, or that answers 200 at the URL `ready`."""
    process = await spawn(command, env=env, cwd=cwd, log=log)
    reading: asyncio.Task[None] | None = None
    try:
        if not await _is_ready(process, ready):
            raise NotStarted(f"{' '.join(command)}: {_tail(log)}")
        reading = asyncio.create_task(_read_on(process))
        yield process
    finally:
        await stop(process)
        if reading is not None:
            await reading


async def _is_ready(process: Process, url: str) -> bool:
    try:
        async with asyncio.timeout(START_SECONDS):
            return await (_answers(url, process) if url else _speaks(process))
    except TimeoutError:
        return False


async def stop(process: Process) -> None:
    """Ask it to end; after a while, make it."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _speaks(process: Process) -> bool:
    assert process.stdout
    return bool(await process.stdout.readline())


async def _answers(url: str, process: Process) -> bool:
    async with aiohttp.ClientSession() as http:
        while process.returncode is None:
            try:
                async with http.get(url) as response:
                    if response.status == 200:
                        return True
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
    return False


async def _read_on(process: Process) -> None:
    # A pipe that nobody reads would fill and hold the process up.
    assert process.stdout
    while await process.stdout.read(65536):
        pass


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:] if log.exists() else "it wrote nothing"


def cpu_seconds(process: Process) -> float:
    """The processor time that a process has used, in user and kernel."""
    # The command may hold spaces and brackets: fields count from behind its last bracket.
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(process: Process) -> int:
    """The memory that a process really holds."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")

"""Starts crash hosts in milliseconds: one process loads every library once, and each host is a fork of it.

A fork runs `tests.crash.host.main` with an environment, arguments and output files of its own, as a new process would.
`python -m tests.crash.nursery` reads one JSON object a line (`number`, `env`, `argv`, `files`), answers with
`{"number", "pid"}`, and says `{"ended", "status"}` when a host ends. When its input ends it kills what is left and ends itself.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import select
import signal
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, Self

from tests.crash.waiting import patience
from tests.fakes.cosmos import beside

ROOT = Path(__file__).resolve().parents[2]
LOADED = ("function_app", "local.up", "local.host", "local.timers", "shared.agent.segment", "shared.agent.memory")
LOADED += (
    "local.session_pump",
    "local.queue_pump",
    "local.http_server",
    "local.durable.service",
    "shared.agent.segment",
    "shared.models.demo.model",
    "shared.storage.langgraph_saver",
    "tests.crash.host",
)


class Host:
    """A host that was born here."""

    def __init__(self, pid: int, out: Path, err: Path) -> None:
        self.pid = pid
        self.out = out
        self.err = err
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def alive(self) -> bool:
        return not self.ended.done()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is still there: its number is its own until its end was heard of."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def end(self, *, seconds: float = 15) -> int:
        """Wait for its end; return its exit code, or minus the number of the signal that ended it."""
        return await asyncio.wait_for(asyncio.shield(self.ended), seconds * patience())

    async def ready(self, *, seconds: float = 20) -> None:
        """Wait for the line that says so. Raises AssertionError with its log when it ends before."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not (self.out.exists() and self.out.read_bytes().endswith(b"\n")):
            assert self.alive, f"the host ended: {self.err.read_text()}"
            assert asyncio.get_running_loop().time() < deadline, f"the host is not ready: {self.err.read_text()}"
            await asyncio.sleep(0.01)

    @property
    def frozen(self) -> bool:
        """True while it is stopped by SIGSTOP."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"


class Nursery:
    """The test's side."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._hosts: dict[int, Host] = {}
        self._births: dict[int, asyncio.Future[Host]] = {}
        self._count = 0
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, folder: Path) -> Self:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            beside.chosen(),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout
        first = await asyncio.wait_for(process.stdout.readline(), 60)
        assert first, "the nursery did not open"
        return cls(process, folder)

    async def start(self, *argv: str, env: dict[str, str]) -> Host:
        """Start a host; `ready` says when it serves."""
        self._count += 1
        number = self._count
        order = {"number": number, "env": {**_plain_environment(), **env}, "argv": argv, "files": self._files(number)}
        birth = self._births[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        try:
            return await asyncio.wait_for(asyncio.shield(birth), 10)
        except BaseException:
            birth.add_done_callback(lambda born: born.result().signal(signal.SIGKILL))
            raise

    def _files(self, number: int) -> list[str]:
        return [str(self._folder / f"host-{number}.{kind}") for kind in ("out", "err")]

    async def close(self) -> None:
        """Kill every host that is left."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            raise
        finally:
            self._listening.cancel()

    async def _listen(self) -> None:
        assert self._process.stdout
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "pid" in said:
                host = Host(said["pid"], *map(Path, self._files(said["number"])))
                self._hosts[host.pid] = host
                self._births.pop(said["number"]).set_result(host)
            else:
                self._hosts.pop(said["ended"]).ended.set_result(said["status"])


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PRAXOS_", "TELEGRAM_"))}


# --- the other side -----------------------------------------------------------------------------------------------


def _serve() -> None:
    for name in (*LOADED, *(beside.MODULES if sys.argv[1:] != [beside.Kind.SQLITE] else ())):
        import_module(name)
    gc.freeze()
    children: set[int] = set()
    wake_out, wake_in = os.pipe()
    os.set_blocking(wake_in, False)
    signal.set_wakeup_fd(wake_in)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    _say({"open": True})
    orders = b""
    while True:
        readable, _, _ = select.select([0, wake_out], [], [])
        if wake_out in readable:
            os.read(wake_out, 4096)
            _reap(children)
        if 0 not in readable:
            continue
        more = os.read(0, 65536)
        if not more:
            break
        orders += more
        *whole, orders = orders.split(b"\n")
        for order in whole:
            _give_birth(json.loads(order), children)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _give_birth(order: dict[str, Any], children: set[int]) -> None:
    pid = os.fork()
    if pid == 0:
        _live(order)
    children.add(pid)
    _say({"pid": pid, "number": order["number"]})


def _live(order: dict[str, Any]) -> NoReturn:
    status = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.environ.clear()
        os.environ.update(order["env"])
        for number, name in enumerate((os.devnull, *order["files"])):
            file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(file, number)
            os.close(file)
        from tests.crash import host

        status = host.main(order["argv"])
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _reap(children: set[int]) -> None:
    for pid in list(children):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            children.remove(pid)
            _say({"ended": pid, "status": os.waitstatus_to_exitcode(status)})


def _say(what: dict[str, Any]) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    _serve()

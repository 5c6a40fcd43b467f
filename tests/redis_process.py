"""A real redis-server on a free loopback port, started and stopped by the tests."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from tests.fakes.ports import free_port

LONG = 30.0
HOW_TO = "no redis-server: install it (Debian: apt-get install redis-server) to run the queues on a real Redis"


class RedisProcess:
    """One server over one folder. It can be stopped, killed, frozen and started again on the same port."""

    def __init__(self, folder: Path, *options: str) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip(HOW_TO)
        self.port = free_port()
        self.address = f"redis://127.0.0.1:{self.port}/0"
        self._log = folder / "log"
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._command += ["--save", "", "--daemonize", "no", *options]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        self.until(lambda: self.ask("PING") == "+PONG")

    def kill(self) -> None:
        """End it as a power cut of the process does."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def signal(self, number: int) -> None:
        """Freeze it, or let it go on."""
        assert self._process
        self._process.send_signal(number)

    def ask(self, *command: str) -> str:
        """The first line of an answer, or a whole text; empty where nobody answers yet."""
        words = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in command)
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=LONG) as connection:
                connection.sendall(f"*{len(command)}\r\n{words}".encode())
                with connection.makefile("rb") as answer:
                    first = answer.readline().decode().strip()
                    return answer.read(int(first[1:])).decode() if first.startswith("$") else first
        except OSError:
            return ""

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition of the server."""
        assert self._process
        deadline = time.monotonic() + LONG
        while not condition():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, "the server does not come up"
            time.sleep(0.01)

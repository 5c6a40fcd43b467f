"""The real host in a process of its own, with a tool that takes its time. It can be killed and started again."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.fakes.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = Path(__file__).parent / "plugin"
START_SECONDS = 60


class Host:
    """`python -m local up` on a data folder, always at the same port."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.settings = settings
        self.port = free_port()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/chat"

    @property
    def environ(self) -> dict[str, str]:
        path = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(PLUGIN)])
        ours = {"PRAXOS_HOME": str(self.home), "PRAXOS_PORT": str(self.port), "PRAXOS_MODEL": "napping"}
        return {**os.environ, **ours, **self.settings, "PYTHONPATH": path}

    async def start(self) -> None:
        """Return when it says where its page is."""
        with (self.home.parent / "host.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "local", "up"),
                cwd=ROOT,
                env=self.environ,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout
        async with asyncio.timeout(START_SECONDS):
            line = (await self._process.stdout.readline()).decode().strip()
        assert line == self.url, self.log()

    async def kill(self) -> None:
        """SIGKILL: nothing is finished, nothing is said."""
        assert self._process
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    def log(self) -> str:
        return (self.home.parent / "host.log").read_text()

    async def chat(self, *arguments: str, said: str = "", home: Path | None = None) -> tuple[int, str, str]:
        """`python -m local chat`: its exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "local", "chat", *arguments),
            cwd=ROOT,
            env={**self.environ, **({"PRAXOS_HOME": str(home)} if home else {})},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(START_SECONDS):
            out, error = await process.communicate(said.encode())
        assert process.returncode is not None
        return process.returncode, out.decode(), error.decode()

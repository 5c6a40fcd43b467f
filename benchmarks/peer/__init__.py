"""The peer: `langgraph dev` with a graph that answers at once, in an environment of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from benchmarks.processes import LOOPBACK, ROOT, environment, folder, free_port, running

HERE = Path(__file__).resolve().parent
GRAPH_FILES = ("echo.py", "langgraph.json")


class Peer:
    """A running server, and a person of any number of threads."""

    def __init__(self, *, url: str) -> None:
        self._url = url
        self._threads: dict[int, str] = {}
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def say(self, conversation: int, text: str) -> None:
        """Say something and wait for its echo. A conversation is a thread, made before its first message."""
        if conversation not in self._threads:
            async with self._http.post(f"{self._url}/threads", json={}) as response:
                self._threads[conversation] = (await response.json())["thread_id"]
        run = {"assistant_id": "echo", "input": {"messages": [{"role": "user", "content": text}]}}
        url = f"{self._url}/threads/{self._threads[conversation]}/runs/wait"
        async with self._http.post(url, json=run) as response:
            said = (await response.json())["messages"][-1]["content"]
        if text not in said:
            raise RuntimeError(f"{text!r} was answered with {said!r}")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def executable() -> str:
    """Where `langgraph` is. Raises FileNotFoundError saying how to get it."""
    folder_of_it = os.environ.get("PRAXOS_PEER_BIN") or str(ROOT / ".venv-bench" / "bin")
    found = shutil.which("langgraph", path=str((ROOT / folder_of_it).resolve()))
    if not found:
        raise FileNotFoundError(f"there is no langgraph in {folder_of_it}: `make bench` installs it")
    return found


@asynccontextmanager
async def deployed(*, jobs: int) -> AsyncIterator[Peer]:
    """The server with so many jobs at a time, ready to answer."""
    async with AsyncExitStack() as stack:
        home = await stack.enter_async_context(folder())
        for name in GRAPH_FILES:
            shutil.copy(HERE / name, home)
        port = free_port()
        options = ["--no-browser", "--no-reload", "--port", str(port), "--n-jobs-per-worker", str(jobs)]
        env = environment(LANGGRAPH_CLI_NO_ANALYTICS="1")
        url = f"http://{LOOPBACK}:{port}"
        await stack.enter_async_context(
            running([executable(), "dev", *options], env=env, cwd=home, log=home / "log.txt", ready=f"{url}/ok")
        )
        peer = Peer(url=url)
        stack.push_async_callback(peer.close)
        yield peer

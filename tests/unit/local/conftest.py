"""A host over any function app, on a free port of the loopback interface."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import azure.functions as func
import pytest

from local import indexing
from local.host import Host
from local.host_json import HostJson
from local.up import ADDRESS, listen
from shared.clock import SystemClock
from shared.ports import Clock, QueueMessage
from shared.queues.sqlite import FILE, SqliteBroker
from shared.settings import Settings
from shared.steps import Step
from shared.topology import QUEUES, QueueSettings

DEADLINE = 20.0
"""Seconds after which a test gives up on a condition."""

HOST_JSON = HostJson.model_validate(
    {
        "version": "2.0",
        "functionTimeout": "00:00:30",
        "extensions": {"serviceBus": {"sessionIdleTimeout": "00:00:00.4", "maxConcurrentSessions": 4}},
    }
)


async def until(condition: Callable[[], object], what: str = "the condition") -> None:
    """Return when the condition holds. Fails when it does not in time."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"{what} did not come true"
        await asyncio.sleep(0.005)


def with_locks_of(seconds: float) -> MappingProxyType[str, QueueSettings]:
    """The queues, with a shorter lock."""
    return MappingProxyType(
        {
            name: QueueSettings(
                requires_session=queue.requires_session,
                duplicate_detection=queue.duplicate_detection,
                lock_duration=timedelta(seconds=seconds),
                max_delivery_count=queue.max_delivery_count,
            )
            for name, queue in QUEUES.items()
        }
    )


@dataclass
class Running:
    """A host that runs, and what a test does to it."""

    host: Host
    broker: SqliteBroker
    home: Path
    url: str
    http: aiohttp.ClientSession
    sent: int = 0
    keys: list[str] = field(default_factory=list)

    async def send(self, queue: str, text: str, *, session: str = "", **properties: str) -> None:
        """Send one message with a fresh id."""
        self.sent += 1
        message = QueueMessage(body=text.encode(), id=f"m{self.sent}", session=session, properties=properties)
        await self.broker.send(step=Step.ENQUEUE, queue=queue, messages=[message])

    async def get(self, path: str, **options: Any) -> tuple[int, str]:
        """Status and text."""
        async with self.http.request(options.pop("method", "GET"), self.url + path, **options) as response:
            return response.status, await response.text()


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a host over an app; each call is another process's worth of host on the same data."""
    started: list[Running] = []

    async def one(
        app: func.FunctionApp | Sequence[indexing.Function],
        *,
        host_json: HostJson = HOST_JSON,
        queues: MappingProxyType[str, QueueSettings] = QUEUES,
        clock: Clock | None = None,
        **environ: str,
    ) -> Running:
        settings, clock = Settings.from_environ({"PRAXOS_HOME": str(tmp_path), **environ}), clock or SystemClock()
        broker = SqliteBroker(path=tmp_path / FILE, sync=settings.sync, clock=clock, queues=queues)
        functions = app if isinstance(app, Sequence) else indexing.index(app.get_functions(), app_settings=environ)

        async def host_key() -> str:
            return "the host's key"

        host = Host(
            functions=functions,
            broker=broker,
            settings=settings,
            host_json=host_json,
            clock=clock,
            host_key=host_key,
        )
        listening = listen(0)
        url = f"http://{ADDRESS}:{listening.getsockname()[1]}"
        await host.start(listening)
        started.append(Running(host, broker, tmp_path, url, aiohttp.ClientSession()))
        return started[-1]

    yield one
    for running in started:
        await running.http.close()
        await running.host.stop(seconds=5)
        await running.broker.close()

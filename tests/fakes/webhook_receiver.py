"""Somebody's webhook on a free loopback port: it records what it is sent and ends each request as it was told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

PATIENCE = 20.0
"""Seconds for what should come at once."""

Ending = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Posted:
    """A request, read to its end."""

    path: str
    headers: dict[str, str]
    """By lower-case names."""
    body: bytes
    at: datetime

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """What was posted."""
        return str(self.json["text"])

    @property
    def key(self) -> str:
        """The idempotency key; empty where none came."""
        return self.headers.get("idempotency-key", "")


@dataclass
class WebhookReceiver:
    """Answers 200 until it is told otherwise. What it is told holds for the requests that come in afterwards."""

    url: str = ""
    requests: list[Posted] = field(default_factory=list)
    _ending: Ending | None = None
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _released: asyncio.Event = field(default_factory=asyncio.Event)
    _closed: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(self, status: int = 200, body: str = "ok", **headers: str) -> None:
        """Answer at once. An underscore in a header's name stands for a dash."""

        async def ending(_: web.BaseRequest) -> web.StreamResponse:
            return web.Response(
                status=status, text=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
            )

        self._ending = ending

    def hang(self) -> None:
        """Take the request and never answer."""

        async def ending(_: web.BaseRequest) -> web.StreamResponse:
            await self._closed.wait()
            return web.Response(status=503)

        self._ending = ending

    def drop(self) -> None:
        """Take the request and cut the connection without a word."""

        async def ending(request: web.BaseRequest) -> web.StreamResponse:
            _cut(request)
            return web.Response(status=500)

        self._ending = ending

    def cut(self) -> None:
        """Begin an answer of status 200 and cut the connection in the middle of it."""

        async def ending(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Length": "100"})
            await response.prepare(request)
            await response.write(b"only the begin")
            _cut(request)
            return response

        self._ending = ending

    def hold(self, status: int = 200, body: str = "ok") -> None:
        """Take the request and answer when `release` is called."""
        self._released = released = asyncio.Event()

        async def ending(_: web.BaseRequest) -> web.StreamResponse:
            await released.wait()
            return web.Response(status=status, text=body)

        self._ending = ending

    def release(self) -> None:
        """Answer what `hold` held, and at once what comes after it."""
        self._released.set()

    async def arrived(self, count: int = 1) -> list[Posted]:
        """The requests, once there are that many of them."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: len(self.requests) >= count)
        return list(self.requests)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        async with self._changed:
            self.requests.append(Posted(path=request.path_qs, headers=headers, body=body, at=datetime.now(UTC)))
            self._changed.notify_all()
        if self._ending is None:
            self.answer()
        assert self._ending is not None
        return await self._ending(request)

    def _close(self) -> None:
        self._closed.set()
        self._released.set()


def _cut(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


@asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[WebhookReceiver]:
    """A receiver that runs inside the block; `url` is its address, with the path `/hook`."""
    receiver = WebhookReceiver()
    runner = web.ServerRunner(web.Server(receiver._serve), shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield receiver
    finally:
        receiver._close()
        await runner.cleanup()

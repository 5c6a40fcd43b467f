"""An HTTP proxy on loopback between an SDK and a server, which injects faults where a test asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum

import aiohttp
from aiohttp import web

SLOW_SECONDS = 0.5
HOP = frozenset(("connection", "content-length", "transfer-encoding", "host", "keep-alive", "content-encoding"))
"""Headers that belong to one connection."""


class Fault(StrEnum):
    """What happens to a request."""

    NONE = "none"
    THROTTLED = "429 with the service's hint"
    UNAVAILABLE = "503"
    DROPPED_BEFORE = "the connection ends before the server has it"
    DROPPED_AFTER = "the server does it, and the connection ends without an answer"
    SLOW = "the answer takes half a second"
    HALF = "the connection ends in the middle of the answer"


Choose = Callable[[web.Request], Fault]


class FaultyProxy:
    """Passes everything on. `choose` is asked for each request what is to happen to it."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream.rstrip("/")
        self.url = ""
        self.choose: Choose = lambda _: Fault.NONE
        self.seen: list[tuple[str, str, Fault]] = []
        """Each request: method, path, and what happened to it."""
        self.throttled_for = {"x-ms-retry-after-ms": "20", "Retry-After": "1"}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FaultyProxy]:
        """Listen on a free port."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession(auto_decompress=False) as self._http:
            yield self
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        fault = self.choose(request)
        self.seen.append((request.method, request.path, fault))
        match fault:
            case Fault.THROTTLED:
                return web.json_response({"code": "429"}, status=429, headers=self.throttled_for)
            case Fault.UNAVAILABLE:
                return web.json_response({"code": "503"}, status=503)
            case Fault.DROPPED_BEFORE:
                return _dropped(request)
        status, headers, answer = await self._pass_on(request, body)
        if fault is Fault.SLOW:
            await asyncio.sleep(SLOW_SECONDS)
        if fault is Fault.DROPPED_AFTER:
            return _dropped(request)
        if fault is Fault.HALF:
            return await _half(request, status, headers, answer)
        return web.Response(status=status, headers=headers, body=answer)

    async def _pass_on(self, request: web.Request, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        url = self._upstream + request.path_qs
        async with self._http.request(request.method, url, headers=headers, data=body) as response:
            kept = {name: value for name, value in response.headers.items() if name.lower() not in HOP}
            return response.status, kept, self._as_ours(await response.read())

    def _as_ours(self, body: bytes) -> bytes:
        """A server that says where it is says where this proxy is."""
        host = self._upstream.partition("://")[2]
        for scheme in ("https", "http"):
            body = body.replace(f"{scheme}://{host}".encode(), self.url.encode())
        return body


def _dropped(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response()


async def _half(request: web.Request, status: int, headers: dict[str, str], answer: bytes) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers={**headers, "Content-Length": str(len(answer) or 1)})
    await response.prepare(request)
    await response.write(answer[: len(answer) // 2])
    if request.transport:
        request.transport.abort()
    return response

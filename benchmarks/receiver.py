"""A web hook that takes everything at once and counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from benchmarks.processes import LOOPBACK


class Receiver:
    """Where the writes of a benchmark arrive."""

    def __init__(self) -> None:
        self.url = ""
        self.taken = 0

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Take one."""
        await request.read()
        self.taken += 1
        return web.Response(text="thanks")


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a free loopback port."""
    receiver = Receiver()
    server = web.Server(receiver.answer, access_log=None)
    listener = await asyncio.get_running_loop().create_server(server, LOOPBACK, 0)
    receiver.url = f"http://{LOOPBACK}:{listener.sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        listener.close()
        await server.shutdown(timeout=1)

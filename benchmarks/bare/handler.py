"""A bare aiohttp handler that answers 200 and keeps nothing."""

from __future__ import annotations

import sys

from aiohttp import web


async def handle(request: web.Request) -> web.Response:
    """Read the body and answer."""
    await request.read()
    return web.Response()


if __name__ == "__main__":
    server = web.Application()
    server.router.add_post("/api/webhooks/telegram", handle)
    web.run_app(server, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)

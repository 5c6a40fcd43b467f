"""A bare aiohttp handler that reads the body and answers. Arguments: the port."""

from __future__ import annotations

import sys

from aiohttp import web


async def answer(request: web.Request) -> web.Response:
    """Acknowledge."""
    await request.read()
    return web.Response(body=b"{}", content_type="application/json")


async def alive(_: web.Request) -> web.Response:
    """Say that it is ready."""
    return web.Response()


if __name__ == "__main__":
    application = web.Application()
    application.router.add_post("/api/webhook", answer)
    application.router.add_get("/", alive)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)

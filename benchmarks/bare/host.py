"""What a host does for an HTTP function, and no more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import azure.functions as func
from aiohttp import web

Function = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]


def serve(function: Function, *, path: str, port: int, route_params: Mapping[str, str]) -> None:
    """Serve one function on the loopback interface until the process is ended."""

    async def answer(request: web.Request) -> web.Response:
        given = func.HttpRequest(
            request.method,
            str(request.url),
            headers=request.headers,
            route_params=route_params,
            body=await request.read(),
        )
        returned = await function(given)
        return web.Response(status=returned.status_code, body=returned.get_body(), content_type=returned.mimetype)

    application = web.Application()
    application.router.add_post(path, answer)
    web.run_app(application, host="127.0.0.1", port=port, print=None, access_log=None)

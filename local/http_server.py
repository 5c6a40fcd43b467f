"""The HTTP side of the host: the app's HTTP functions on the loopback interface."""

from __future__ import annotations

import hmac
import logging
import re
import socket
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, unquote

import azure.functions as func
from aiohttp.client_exceptions import ClientPayloadError
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse
from multidict import CIMultiDict

from local.http_listener import HttpListener
from local.invocations import Invocations
from local.routes import Routes
from shared import telemetry

_LOOPBACK_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?", re.IGNORECASE)

_log = telemetry.logger("local.http")


class _OnlyTheFact(logging.Filter):
    """What a client sent that is not HTTP is worth a line, and stays out of it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = None
        return True


_protocol_log = telemetry.logger("local.http.protocol")
_protocol_log.addFilter(_OnlyTheFact())


def tunnel_paths(prefix: str) -> re.Pattern[str]:
    """The webhooks that platforms call from outside: all but that of the web page, which is served to this machine."""
    return re.compile(f"/{re.escape(prefix)}/webhooks/(?!web/?$)[^/]+/?", re.IGNORECASE)


class HttpServer:
    """Serves HTTP functions: routes, keys, limits; a function that fails is a plain 500."""

    def __init__(
        self,
        *,
        routes: Routes,
        invocations: Invocations,
        tunnel: re.Pattern[str],
        body_limit: int,
        host_key: Callable[[], Awaitable[str]],
    ) -> None:
        """`tunnel`: the paths that are served under any Host, since a tunnel's public name leads to them."""
        self._routes = routes
        self._invocations = invocations
        self._tunnel = tunnel
        self._body_limit = body_limit
        self._host_key = host_key
        self._listener = HttpListener(self._answer, body_limit=body_limit, logger=_protocol_log, auto_decompress=False)

    async def start(self, listening: socket.socket) -> None:
        """Serve the connections of a listening socket."""
        await self._listener.start(listening)

    async def stop(self, *, seconds: float) -> None:
        """Accept no more connections, let the requests in work finish for so many seconds, then cancel them."""
        await self._listener.stop(seconds=seconds)

    async def _answer(self, request: BaseRequest) -> StreamResponse:
        try:
            return await self._serve(request)
        except Exception:  # noqa: BLE001  whatever went wrong, the caller gets an answer
            _log.exception("%s %s failed", request.method, request.path)
            return Response(status=500, text="Something went wrong here; the log says what.\n")

    async def _serve(self, request: BaseRequest) -> StreamResponse:
        path, _, query = request.raw_path.partition("?")
        host = request.headers.get("Host", "")
        if not _LOOPBACK_HOST.fullmatch(host) and not self._tunnel.fullmatch(unquote(path)):
            return Response(status=403, text="This host answers to 127.0.0.1 and localhost only.\n")
        found = self._routes.find(request.method, path)
        if found is None:
            return Response(status=404, text="There is nothing here.\n")
        function, route_params = found
        params = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        if not function.anonymous and not await self._has_key(request, params):
            return Response(status=401, text="This needs the host's key, in the header x-functions-key.\n")
        try:
            await _invite_body(request)
            body = await request.read()
        except HTTPRequestEntityTooLarge:
            return Response(status=413, text=f"A request has at most {self._body_limit} bytes.\n")
        except (ConnectionError, ClientPayloadError, HttpProcessingError):
            return Response(status=400, text="The body did not arrive whole.\n")
        given = func.HttpRequest(
            request.method,
            f"http://{host}{request.raw_path}",
            headers=_merged(request.headers),
            params=params,
            route_params=route_params,
            body=body,
        )
        return _response(await self._invocations.run(function, given, interactive=True))

    async def _has_key(self, request: BaseRequest, params: dict[str, str]) -> bool:
        given = request.headers.get("x-functions-key") or params.get("code", "")
        return hmac.compare_digest(given.encode("utf-8", "replace"), (await self._host_key()).encode())


async def _invite_body(request: BaseRequest) -> None:
    """Let a client go on that asked before sending a body (RFC 9110, 10.1.1)."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # The answer proper is still to come: aiohttp must not take this for a part of it.
        request.writer.output_size = 0


def _merged(headers: Any) -> dict[str, str]:
    """Header names to values, those that came several times joined with commas."""
    merged: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        merged[lower] = f"{merged[lower]},{value}" if lower in merged else value
    return merged


def _response(returned: object) -> Response:
    """What a function returned, as the worker understands it: a response, a text, or nothing."""
    if returned is None:
        return Response(status=204)
    if isinstance(returned, str):
        return Response(text=returned)
    if not isinstance(returned, func.HttpResponse):
        raise TypeError(f"an HTTP function returns HttpResponse or str, not {type(returned).__name__}")
    headers = CIMultiDict(returned.headers.items())
    if "Content-Type" not in headers:
        text = returned.mimetype.startswith("text/")
        headers["Content-Type"] = f"{returned.mimetype}; charset={returned.charset}" if text else returned.mimetype
    return Response(status=returned.status_code, body=returned.get_body(), headers=headers)

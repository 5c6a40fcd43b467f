"""Answers HTTP on a listening socket, without aiohttp.web's framework: its loading is a twentieth of a cold start."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse
from aiohttp.web_server import Server

_KEEP_ALIVE_SECONDS = 75.0


class HttpListener:
    """One listening socket and what answers there."""

    def __init__(
        self,
        answer: Callable[[BaseRequest], Awaitable[StreamResponse]],
        *,
        body_limit: int,
        logger: logging.Logger,
        auto_decompress: bool = True,
    ) -> None:
        """`body_limit`: bytes. `logger`: hears of what was not HTTP."""
        self._body_limit = body_limit
        self._server = Server(
            answer,
            request_factory=self._request,
            access_log=None,
            logger=logger,
            auto_decompress=auto_decompress,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
        )
        self._listener: Any = None

    async def start(self, listening: socket.socket) -> None:
        """Serve the connections of a listening socket."""
        self._listener = await asyncio.get_running_loop().create_server(self._server, sock=listening)

    async def stop(self, *, seconds: float) -> None:
        """Accept no more connections, let the requests in work finish for so many seconds, then cancel them."""
        if self._listener is None:
            return
        self._listener.close()
        self._server.pre_shutdown()
        await self._server.shutdown(seconds)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> BaseRequest:
        limit = self._body_limit
        return BaseRequest(message, payload, protocol, writer, task, task.get_loop(), client_max_size=limit)

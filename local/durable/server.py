"""Serves the management API to the clients of this process, on the loopback interface and with a key."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import socket
from urllib.parse import parse_qsl

from aiohttp.web_exceptions import HTTPRequestEntityTooLarge
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse

from local.durable.binding import PREFIX
from local.durable.limits import MAX_PAYLOAD_BYTES
from local.durable.management import Answer, Call, Management
from local.http_listener import HttpListener
from shared import telemetry
from shared.messages import Transient

_LOOPBACK = "127.0.0.1"
_BODY_LIMIT = 2 * MAX_PAYLOAD_BYTES
"""More than a payload may have, so that it is refused with a reason."""

_log = telemetry.logger("local.durable")


class ManagementServer:
    """One server for one process: its key is as old as it is."""

    def __init__(self, *, key: str) -> None:
        """Take a free port; whoever connects waits until `start`."""
        self._key = key.encode()
        self._management: Management | None = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.bind((_LOOPBACK, 0))
        self._socket.listen()
        self._socket.setblocking(False)
        self._listener: HttpListener | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._socket.getsockname()[1]
        return port

    async def start(self, management: Management) -> None:
        """Begin to answer."""
        self._management = management
        self._listener = HttpListener(self._answer, body_limit=_BODY_LIMIT, logger=_log)
        await self._listener.start(self._socket)

    async def stop(self, *, seconds: float) -> None:
        """Let the requests in work finish for so many seconds, then end."""
        if self._listener is None:
            self._socket.close()
            return
        await self._listener.stop(seconds=seconds)

    async def _answer(self, request: BaseRequest) -> StreamResponse:
        try:
            return await self._serve(request)
        except HTTPRequestEntityTooLarge:
            return _response(Answer(413, {"Message": f"A payload has at most {MAX_PAYLOAD_BYTES} bytes."}))
        except Transient as error:
            _log.warning("a call of a Durable client failed: %s", error)
            return _response(Answer(503, {"Message": str(error)}))
        except Exception:  # noqa: BLE001  whatever went wrong, the caller gets an answer
            _log.exception("a call of a Durable client failed")
            return _response(Answer(500, {"Message": "Something went wrong while processing your request"}))

    async def _serve(self, request: BaseRequest) -> StreamResponse:
        path, _, query = request.raw_path.partition("?")
        params = dict(parse_qsl(query, keep_blank_values=True))
        if request.host.partition(":")[0] not in (_LOOPBACK, "localhost"):
            return _response(Answer(403, {"Message": "This host answers to 127.0.0.1 and localhost only."}))
        if not hmac.compare_digest(_given_key(request, params), self._key):
            return _response(Answer(401, {"Message": "This needs the key of the process's own Durable client."}))
        if not path.startswith(f"{PREFIX}/") or self._management is None:
            return _response(Answer(404))
        call = Call(
            method=request.method,
            path=path.removeprefix(f"{PREFIX}/"),
            query=params,
            body=(await request.read()).decode("utf-8", "replace"),
            json=request.content_type.lower() == "application/json",
        )
        return _response(await self._management.answer(call))


def _given_key(request: BaseRequest, params: dict[str, str]) -> bytes:
    """The key of a request: a client's password, or, as in Azure, `code` in the query or x-functions-key."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return (request.headers.get("x-functions-key") or params.get("code", "")).encode("utf-8", "replace")


def _response(answer: Answer) -> Response:
    if answer.body is None:
        return Response(status=answer.status)
    return Response(status=answer.status, text=json.dumps(answer.body), content_type="application/json")

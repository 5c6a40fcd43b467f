"""A Bot API that takes every message at once and tells the driver, and the updates that come from it."""

from __future__ import annotations

import asyncio
import itertools
import json
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from benchmarks.processes import LOOPBACK

TOKEN = "123456:benchmark-token"
SECRET = "benchmark-secret"
HEADERS = {"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": SECRET}
REPLY_SECONDS = 60.0
FIRST_CHAT = 1_000

_updates = itertools.count(1)


def update(conversation: int, text: str) -> bytes:
    """A message from a private chat, as Telegram posts it."""
    number, person = next(_updates), FIRST_CHAT + conversation
    message = {
        "message_id": number,
        "date": 1_767_225_600,
        "chat": {"id": person, "type": "private", "first_name": "Ann"},
        "from": {"id": person, "is_bot": False, "first_name": "Ann", "language_code": "en"},
        "text": text,
    }
    return json.dumps({"update_id": number, "message": message}).encode()


class BotApi:
    """The server. `reply` gives the next message that is sent to a chat."""

    def __init__(self) -> None:
        self.url = ""
        self.sent = 0
        self._waiting: dict[int, tuple[str, asyncio.Future[str]]] = {}
        self._server = web.Server(self._answer, access_log=None)
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.get_running_loop().create_server(self._server, LOOPBACK, 0)
        self.url = f"http://{LOOPBACK}:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener:
            self._listener.close()
        await self._server.shutdown(timeout=1)

    def reply(self, conversation: int, *, containing: str = "") -> asyncio.Future[str]:
        """Resolved with the text of the next message to the conversation that contains a text. Ask before saying it."""
        waiter: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[FIRST_CHAT + conversation] = (containing, waiter)
        return waiter

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        body: dict[str, Any] = json.loads(await request.read() or b"{}")
        result: object = True
        if request.path.endswith("/sendMessage"):
            self.sent += 1
            result = {"message_id": self.sent, "date": 0, "chat": {"id": body["chat_id"], "type": "private"}}
            containing, waiter = self._waiting.get(int(body["chat_id"]), ("", None))
            if waiter and containing in body["text"]:
                del self._waiting[int(body["chat_id"])]
                waiter.set_result(body["text"])
        return web.Response(body=json.dumps({"ok": True, "result": result}).encode(), content_type="application/json")

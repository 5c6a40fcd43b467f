"""A Bot API server that keeps what it is told, can be told to misbehave, and finds fault with wrong calls.

In a test: `async with FakeTelegram() as telegram`. For other processes: `python -m tests.fakes.telegram --port 0`
prints its address; `GET /calls?after=N`, `GET /state` and `POST /control` (see `Control` in telegram_control.py) drive it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import re
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web
from aiohttp.web_request import BaseRequest
from pydantic import ValidationError

from tests.fakes import bot_api_rules, bot_api_specification
from tests.fakes.bot_api_specification import Specification, UploadedFile
from tests.fakes.telegram_control import TAKES_NOTHING, Control, Fault, FaultKind

FIRST_MESSAGE = 1000
MAX_BODY_BYTES = 64_000_000
_PATH = re.compile(r"/bot(\d+):[^/]+/(\w+)")
_FILE_PATH = re.compile(r"/file/bot\d+:[^/]+/(.+)")
_JSON = {"Content-Type": "application/json"}


@dataclass(slots=True)
class Call:
    """A call that came in. `accepted`: its effect happened. `status` is None while it is not answered."""

    n: int
    method: str
    parameters: Mapping[str, Any]
    at: float
    accepted: bool = False
    status: int | None = None
    message_id: int | None = None

    def to_json(self) -> dict[str, Any]:
        """With files by name, size and hash."""
        return {
            "n": self.n,
            "method": self.method,
            "parameters": {name: _shown(value) for name, value in self.parameters.items()},
            "at": self.at,
            "accepted": self.accepted,
            "status": self.status,
            "message_id": self.message_id,
        }


@dataclass
class FakeTelegram:
    """The server and what it was told."""

    port: int = 0
    check: bool = True
    username: str = "praxos_bot"
    latency: float = 0
    calls: list[Call] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    messages: dict[tuple[int, int], Mapping[str, Any]] = field(default_factory=dict)
    """What stands in the chats now, by chat and message id: edited and deleted as told."""
    url: str = ""

    def __post_init__(self) -> None:
        path = bot_api_specification.find()
        self.specification = Specification(path) if path else None
        self.waiting = 0
        self._count = 0
        self._released = asyncio.Event()
        self._runner: web.ServerRunner | None = None
        self._answers: dict[str, Callable[[BaseRequest], Any]] = {
            "/calls": self._get_calls,
            "/state": self._get_state,
            "/control": self._post_control,
        }

    async def __aenter__(self) -> Self:
        # A path holds the bot's token, so there is no access log.
        server = web.Server(self._handle, request_factory=_request, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release()
        if self._runner:
            await self._runner.cleanup()

    # --- what tests say and ask -------------------------------------------------------------------------------

    def fault(self, kind: FaultKind, **options: Any) -> Fault:
        """Let something go wrong."""
        fault = Fault(kind=kind, **options)
        self.faults.append(fault)
        return fault

    def clear(self) -> None:
        """Forget the faults."""
        self.faults.clear()

    def release(self) -> None:
        """Let go of every call that hangs or is held."""
        self._released.set()
        self._released = asyncio.Event()

    def sent(self, chat: int | None = None) -> list[Call]:
        """The accepted calls that put a message into a chat, in order."""
        return [
            call
            for call in self.calls
            if call.accepted and call.message_id and chat in (None, int(call.parameters["chat_id"]))
        ]

    def called(self, method: str) -> list[Call]:
        """Every call of a method, accepted or not."""
        return [call for call in self.calls if call.method == method]

    async def wait_for(self, condition: Callable[[], Any], *, seconds: float = 10) -> None:
        """Return when the condition holds. Raises AssertionError when it does not in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the fake Telegram waited in vain"
            await asyncio.sleep(0.005)

    # --- HTTP -------------------------------------------------------------------------------------------------

    async def _handle(self, request: BaseRequest) -> web.StreamResponse:
        if found := _PATH.fullmatch(request.path):
            return await self._call(request, bot=int(found[1]), method=found[2])
        if found := _FILE_PATH.fullmatch(request.path):
            return self._download(found[1])
        answer = self._answers.get(request.path)
        if answer is None:
            return _error(404, "Not Found")
        return await answer(request)

    async def _get_calls(self, request: BaseRequest) -> web.Response:
        after = int(request.rel_url.query.get("after", 0))
        return web.json_response([call.to_json() for call in self.calls if call.n > after])

    async def _get_state(self, request: BaseRequest) -> web.Response:
        version = self.specification.version if self.specification else "absent: parameters are not checked"
        return web.json_response(
            {
                "calls": len(self.calls),
                "violations": self.violations,
                "waiting": self.waiting,
                "specification": version,
                "check": self.check,
            }
        )

    async def _post_control(self, request: BaseRequest) -> web.Response:
        try:
            control = Control.model_validate_json(await request.read())
        except ValidationError as error:
            return web.json_response({"error": str(error)}, status=400)
        if control.reset:
            self.calls.clear()
            self.violations.clear()
        if control.reset or control.clear:
            self.clear()
        if control.release:
            self.release()
        if control.check is not None:
            self.check = control.check
        if control.latency is not None:
            self.latency = control.latency
        if control.fault:
            self.faults.append(control.fault)
        if control.file:
            self.files[control.file.id] = (control.file.path, base64.b64decode(control.file.content))
        return web.json_response({"waiting": self.waiting})

    def _download(self, path: str) -> web.Response:
        content = next((content for known, content in self.files.values() if known == path), None)
        return _error(404, "Not Found") if content is None else web.Response(body=content)

    # --- calls ------------------------------------------------------------------------------------------------

    async def _call(self, request: BaseRequest, *, bot: int, method: str) -> web.StreamResponse:
        parameters, form = await _parameters(request)
        self._count += 1
        call = Call(n=self._count, method=method, parameters=parameters, at=time.time())
        self.calls.append(call)
        fault = self._fault(method, parameters)
        if self.latency or (fault and fault.seconds):
            await asyncio.sleep(self.latency + (fault.seconds if fault else 0))
        if fault and fault.kind in TAKES_NOTHING:
            return await self._misbehave(request, call, fault)
        if wrong := self._wrong(method, parameters, form=form):
            self.violations += [f"call {call.n}: {one}" for one in wrong]
            return _answer(call, _error(400, wrong[0]))
        result = self._result(call, bot)
        if isinstance(result, str):
            return _answer(call, _error(400, result))
        call.accepted = True
        if fault and fault.kind != "delay":
            return await self._misbehave(request, call, fault, result)
        return _answer(call, _ok(result))

    def _wrong(self, method: str, parameters: Mapping[str, Any], *, form: bool) -> list[str]:
        if self.check and self.specification:
            wrong = self.specification.violations(method, parameters, form=form)
            if wrong:
                return wrong
        broken = bot_api_rules.broken(method, parameters)
        return [f"{method}: {broken}"] if broken else []

    def _fault(self, method: str, parameters: Mapping[str, Any]) -> Fault | None:
        for fault in self.faults:
            if fault.method not in ("", method) or fault.chat not in (None, _integer(parameters.get("chat_id"))):
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
            return fault
        return None

    async def _misbehave(
        self, request: BaseRequest, call: Call, fault: Fault, result: object = None
    ) -> web.StreamResponse:
        if fault.kind == "slow_down":
            hints = {} if fault.retry_after is None else {"retry_after": fault.retry_after}
            return _answer(call, _error(429, "Too Many Requests", hints))
        if fault.kind == "error":
            return _answer(call, web.Response(status=fault.status or 502, text="<html>Bad Gateway</html>"))
        if fault.kind == "refuse":
            hints = {} if fault.migrate_to is None else {"migrate_to_chat_id": fault.migrate_to}
            return _answer(call, _error(fault.status or 403, fault.description, hints))
        if fault.kind == "garbage":
            return _answer(call, web.Response(text="<html>OK</html>"))
        if fault.kind in {"hang", "hold"}:
            await self._wait()
        if fault.kind == "hold":
            return _answer(call, _ok(result))
        if request.transport:
            request.transport.close()
        return web.Response(status=500)

    async def _wait(self) -> None:
        self.waiting += 1
        try:
            await self._released.wait()
        finally:
            self.waiting -= 1

    def _result(self, call: Call, bot: int) -> Any:
        """What the method returns; a string is the description of a refusal."""
        parameters = call.parameters
        if call.method in {"sendMessage", "sendPhoto", "sendDocument"}:
            return self._send(call, bot)
        if call.method == "editMessageText":
            return self._edit(int(parameters["chat_id"]), int(parameters["message_id"]), parameters)
        if call.method == "deleteMessage":
            key = (int(parameters["chat_id"]), int(parameters["message_id"]))
            gone = self.messages.pop(key, None) is None
            return "Bad Request: message to delete not found" if gone else True
        if call.method == "getMe":
            return {"id": bot, "is_bot": True, "first_name": "Praxos", "username": self.username}
        if call.method == "getFile":
            return self._get_file(str(parameters.get("file_id")))
        return True

    def _send(self, call: Call, bot: int) -> Mapping[str, Any]:
        chat = int(call.parameters["chat_id"])
        call.message_id = FIRST_MESSAGE + call.n
        message = {
            "message_id": call.message_id,
            "date": int(call.at),
            "chat": {"id": chat, "type": "private" if chat > 0 else "supergroup"},
            "from": {"id": bot, "is_bot": True, "first_name": "Praxos", "username": self.username},
            **{name: call.parameters[name] for name in ("text", "entities", "caption") if name in call.parameters},
        }
        self.messages[chat, call.message_id] = message
        return message

    def _edit(self, chat: int, message_id: int, parameters: Mapping[str, Any]) -> Any:
        known = self.messages.get((chat, message_id))
        if known is None:
            return "Bad Request: message to edit not found"
        if known.get("text") == parameters["text"]:
            return "Bad Request: message is not modified"
        self.messages[chat, message_id] = {**known, "text": parameters["text"]}
        return self.messages[chat, message_id]

    def _get_file(self, file_id: str) -> Any:
        if file_id not in self.files:
            return "Bad Request: invalid file_id"
        path, content = self.files[file_id]
        return {"file_id": file_id, "file_unique_id": file_id, "file_size": len(content), "file_path": path}


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> BaseRequest:
    loop = asyncio.get_running_loop()
    return BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY_BYTES)


async def _parameters(request: BaseRequest) -> tuple[Mapping[str, Any], bool]:
    """A call's parameters, and whether they came as strings."""
    if request.content_type == "application/json":
        return json.loads(await request.read() or b"{}"), False
    if request.content_type != "multipart/form-data":
        return {**request.rel_url.query, **await request.post()}, True
    found: dict[str, Any] = {}
    async for part in await request.multipart():
        content = bytes(await part.read())
        if part.filename is None:
            found[part.name] = content.decode()
        else:
            media_type = part.headers.get("Content-Type", "")
            found[part.name] = UploadedFile(part.filename, media_type=media_type, content=content)
    return found, True


def _shown(value: object) -> object:
    if not isinstance(value, UploadedFile):
        return value
    digest = hashlib.sha256(value.content).hexdigest()
    return {"file_name": value.file_name, "size": len(value.content), "sha256": digest}


def _integer(value: object) -> int | None:
    return int(value) if isinstance(value, int | str) and str(value).lstrip("-").isdecimal() else None


def _answer(call: Call, response: web.Response) -> web.Response:
    call.status = response.status
    return response


def _ok(result: object) -> web.Response:
    return web.Response(body=json.dumps({"ok": True, "result": result}).encode(), headers=_JSON)


def _error(status: int, description: str, parameters: Mapping[str, int] | None = None) -> web.Response:
    body = {"ok": False, "error_code": status, "description": description}
    return web.json_response({**body, **({"parameters": parameters} if parameters else {})}, status=status)


async def _serve(*, port: int, check: bool, latency: float) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with FakeTelegram(port=port, check=check, latency=latency) as telegram:
        print(telegram.url, flush=True)
        await stopped.wait()


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.telegram", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--no-check", action="store_true", help="do not check parameters against the specification")
    parser.add_argument("--latency", type=float, default=0, help="seconds before each answer")
    arguments = parser.parse_args()
    asyncio.run(_serve(port=arguments.port, check=not arguments.no_check, latency=arguments.latency))


if __name__ == "__main__":
    main()

"""The chat's HTTP interface, as the terminal uses it."""

from __future__ import annotations

import asyncio
import mimetypes
import os
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.messages import Button, PraxosError

Answer = TypeVar("Answer", bound=BaseModel)

PATIENCE = aiohttp.ClientTimeout(total=30, connect=5)


class ChatError(PraxosError):
    """Talking did not work. The message says why and what to do."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class File(_Answer):
    """A file of the conversation."""

    id: str
    name: str
    media_type: str
    size: int | None = None


class Item(_Answer):
    """Something that was said."""

    n: int
    role: str
    text: str
    id: str = ""
    """The id that we gave a message of our own."""
    attachments: tuple[File, ...] = ()
    buttons: tuple[tuple[Button, ...], ...] = ()


class Doing(_Answer):
    """What is being done at this moment."""

    text: str


class Events(_Answer):
    """What is new in the conversation."""

    items: tuple[Item, ...]
    last: int
    more: bool
    progress: Doing | None
    working: bool


class ChatClient:
    """Speaks to a running host, with the token of its data folder."""

    def __init__(self, *, url: str, token: str) -> None:
        self._url = url.rstrip("/").removesuffix("/api/chat")
        self._session = aiohttp.ClientSession(timeout=PATIENCE, headers={"Authorization": f"Bearer {token}"})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(self, *, text: str, files: tuple[File, ...] = (), button: str = "") -> str:
        """Say something; return the id that it was given."""
        said = uuid.uuid4().hex
        body = {
            "id": said,
            "text": text,
            "button": button,
            "files": [file.model_dump() for file in files],
            "time_zone": _time_zone(),
        }
        await self._call("POST", "webhooks/web", json=body)
        return said

    async def events(self, *, after: int | None = None) -> Events:
        """What came after a number; without one, the latest."""
        query = {} if after is None else {"after": str(after)}
        return _read(Events, await self._call("GET", "chat/events", params=query))

    async def upload(self, path: Path) -> File:
        """Send a file, to go with the next message."""
        try:
            content = await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise ChatError(f"{path} cannot be read: {error.strerror}") from None
        headers = {
            "X-File-Name": quote(path.name),
            "Content-Type": mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        }
        return _read(File, await self._call("POST", "chat/files", data=content, headers=headers))

    async def download(self, file: File) -> bytes:
        """The content of a file."""
        return await self._call("GET", f"chat/files/{quote(file.id, safe='')}")

    async def _call(self, method: str, path: str, **request: Any) -> bytes:
        try:
            async with self._session.request(method, f"{self._url}/api/{path}", **request) as response:
                body = await response.read()
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise ChatError(
                f"Nobody answers at {self._url} ({type(error).__name__}). Start Praxos with `make run`, "
                "or say with --url where it runs."
            ) from None
        if response.status == 401:
            raise ChatError("The host does not accept this token: does PRAXOS_HOME name the data folder that it uses?")
        if response.status >= 400:
            raise ChatError(f"The host answered {response.status} to {method} {path}.")
        return body


def _time_zone() -> str:
    """This machine's zone as an IANA name; empty where it cannot be told."""
    zone = os.environ.get("TZ") or str(Path("/etc/localtime").resolve()).rpartition("zoneinfo/")[2]
    return zone[:64]


def _read(kind: type[Answer], body: bytes) -> Answer:
    try:
        return kind.model_validate_json(body)
    except ValidationError:
        raise ChatError("The host answers in another version's words: is it the same Praxos?") from None

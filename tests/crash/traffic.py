"""What people write in many chats at once, delivered as Telegram does it: in order, and again until it is taken."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from shared import ids
from tests.fakes import telegram_updates as updates

AGAIN_SECONDS = 0.05
FIRST_UPDATE = 1000


@dataclass(slots=True)
class Said:
    """One update. `taken`: the webhook said 2xx; `tries` counts how often it was posted. `pressed`: a button's value."""

    chat: int
    text: str
    update: Mapping[str, Any]
    taken: bool = False
    tries: int = 0
    pressed: str = ""

    @property
    def event(self) -> str:
        return ids.event(
            tenant="main", channel="telegram", account=str(updates.BOT_ID), provider_id=str(self.update["update_id"])
        )


def conversation(chat: int) -> str:
    """The id of a chat's conversation."""
    return ids.conversation(tenant="main", channel="telegram", account=str(updates.BOT_ID), chat=str(chat))


def _person(chat: int) -> dict[str, Any]:
    return {"id": chat, "is_bot": False, "first_name": f"Person {chat}"}


def _private(chat: int) -> dict[str, Any]:
    return {"id": chat, "type": "private", "first_name": f"Person {chat}"}


@dataclass
class Traffic:
    """Posts updates to a host that may be down."""

    port: int
    said: list[Said] = field(default_factory=list)
    _lines: dict[int, asyncio.Queue[Said]] = field(default_factory=dict)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _http: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        assert self._http
        await self._http.close()

    def say(self, chat: int, text: str) -> Said:
        """A person writes to the bot; the chat's earlier messages go first."""
        return self.deliver(chat, text, updates.message(text, chat=_private(chat), sender=_person(chat)))

    def press(self, chat: int, value: str) -> Said:
        """A person presses a button."""
        pressed = updates.press(value, chat=_private(chat), sender=_person(chat))
        return self._put(Said(chat, "", {**pressed, "update_id": self._next_update()}, pressed=value))

    def deliver(self, chat: int, text: str, message: Mapping[str, Any]) -> Said:
        """Put a message of any form on its way."""
        return self._put(Said(chat, text, updates.update(dict(message), update_id=self._next_update())))

    def _next_update(self) -> int:
        return FIRST_UPDATE + len(self.said)

    def _put(self, said: Said) -> Said:
        chat = said.chat
        self.said.append(said)
        if chat not in self._lines:
            self._lines[chat] = asyncio.Queue()
            self._tasks.append(asyncio.create_task(self._post_for_ever(self._lines[chat])))
        self._lines[chat].put_nowait(said)
        return said

    def in_chats(self) -> dict[int, list[Said]]:
        """What was said, by chat, in order."""
        found = defaultdict(list)
        for said in self.said:
            found[said.chat].append(said)
        return found

    async def post(self, update: Mapping[str, Any], *, secret: str = updates.SECRET) -> int:
        """Post one update once; return the status. Raises aiohttp.ClientError."""
        assert self._http
        url = f"http://127.0.0.1:{self.port}/api/webhooks/telegram"
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
        async with self._http.post(url, json=update, headers=headers) as response:
            return response.status

    async def _post_for_ever(self, line: asyncio.Queue[Said]) -> None:
        while True:
            said = await line.get()
            while not said.taken:
                said.tries += 1
                with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                    said.taken = 200 <= await self.post(said.update) < 300
                if not said.taken:
                    await asyncio.sleep(AGAIN_SECONDS)

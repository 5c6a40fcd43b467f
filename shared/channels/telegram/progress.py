"""What the assistant is doing, as Telegram can show it: the typing action, then one message that is edited in place."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.channels.telegram.utf16 import well_formed
from shared.messages import Address, NotTaken, PraxosError, Progress
from shared.ports import Clock, Json

if TYPE_CHECKING:
    from shared.channels.telegram.client import BotApi

TIMEOUT_SECONDS = 5.0
TEXT_LENGTH = 200
BACK_OFF_SECONDS = 30.0
"""How long nothing is shown where Telegram took nothing and named no time."""
REMEMBERED_CHATS = 1_000


@dataclass(frozen=True, slots=True)
class Handle:
    """What `show` returns for its next call: the status message, if there is one, and what it says."""

    message: int | None = None
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Handle:
        """Read a handle; one that nobody wrote is an empty one."""
        message, _, digest = text.partition(":")
        return cls(message=int(message), digest=digest) if message.isascii() and message.isdecimal() else cls()

    def __str__(self) -> str:
        return "typing" if self.message is None else f"{self.message}:{self.digest}"


class ProgressMessages:
    """Shows progress with at most one call each time. Best effort: no PraxosError leaves it.

    The first call types, because most answers are there before there is anything to say; a later one with a new
    text writes or edits the status message, and any other types again (the action lasts five seconds at most).
    """

    def __init__(self, *, api: BotApi, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._quiet_until: dict[str, float] = {}
        self._sending: dict[str, asyncio.Task[Handle]] = {}

    async def show(self, *, address: Address, progress: Progress | None, handle: str) -> str:
        """Show it, or take away what is shown; return the handle for the next call."""
        known = Handle.parse(handle)
        try:
            if progress is None:
                await self._take_away(address, known)
                return ""
            if self._is_quiet(address.chat):
                return handle
            return str(await self._show(address, progress, known, first=not handle))
        except NotTaken as error:
            self._be_quiet(address.chat, error.retry_after)
        except PraxosError:
            # Not shown: the next call tries again, and the reply itself does not depend on it.
            pass
        return handle

    async def _show(self, address: Address, progress: Progress, known: Handle, *, first: bool) -> Handle:
        text = _words(progress.text)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        if first or not text or digest == known.digest:
            await self._call("sendChatAction", {**_place(address), "action": "typing"})
            return known
        if known.message is None:
            return await self._send(address, text, digest)
        await self._call("editMessageText", {"chat_id": int(address.chat), "message_id": known.message, "text": text})
        return Handle(known.message, digest)

    async def _send(self, address: Address, text: str, digest: str) -> Handle:
        """Write the status message in a task of its own: a turn that ends meanwhile must know what to delete."""
        task = asyncio.create_task(self._write(address, text, digest))
        self._sending[address.conversation] = task
        handle = await asyncio.shield(task)
        self._sending.pop(address.conversation, None)
        return handle

    async def _write(self, address: Address, text: str, digest: str) -> Handle:
        sent = await self._call("sendMessage", {**_place(address), "text": text, "disable_notification": True})
        message = sent.get("message_id") if isinstance(sent, dict) else None
        return Handle(message, digest) if isinstance(message, int) else Handle()

    async def _take_away(self, address: Address, known: Handle) -> None:
        unfinished = self._sending.pop(address.conversation, None)
        if unfinished:
            known = await unfinished
        if known.message is not None:
            await self._call("deleteMessage", {"chat_id": int(address.chat), "message_id": known.message})

    async def _call(self, method: str, parameters: Json) -> object:
        result: object = await self._api.call(method, parameters, timeout=TIMEOUT_SECONDS)
        return result

    def _is_quiet(self, chat: str) -> bool:
        return self._quiet_until.get(chat, 0) > self._clock.monotonic()

    def _be_quiet(self, chat: str, seconds: float | None) -> None:
        now = self._clock.monotonic()
        if len(self._quiet_until) >= REMEMBERED_CHATS:
            self._quiet_until = {one: until for one, until in self._quiet_until.items() if until > now}
        self._quiet_until[chat] = now + (BACK_OFF_SECONDS if seconds is None else seconds)


def _words(text: str) -> str:
    words = " ".join(well_formed(text).split())
    return f"{words[:TEXT_LENGTH].rstrip('.…')}…" if words else ""


def _place(address: Address) -> Json:
    return {"chat_id": int(address.chat), **({"message_thread_id": int(address.thread)} if address.thread else {})}

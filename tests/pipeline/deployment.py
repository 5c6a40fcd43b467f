"""Starts the embedded host as a person does, and talks to it as Telegram does."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from local.roles import ROLES
from tests.fakes import telegram_updates as updates
from tests.fakes.cosmos import beside
from tests.fakes.cosmos.beside import Beside
from tests.fakes.cosmos.looking import look
from tests.fakes.ports import free_port
from tests.fakes.telegram import FakeTelegram

ROOT = Path(__file__).resolve().parents[2]
STARTED = 120.0
"""Seconds for a host to start, beside nine others on two cores."""
UP = ("local", "up")
MOST_CLIENTS = 40
"""Processes that one test starts, each with a client of its own."""
SOON = 60.0
"""Seconds to wait for what is promised without a deadline: a busy machine is no failure."""


class Deployment:
    """One data folder, and the hosts that work on it."""

    def __init__(self, folder: Path, telegram: FakeTelegram) -> None:
        self.home = folder / "home"
        self.log = folder / "log"
        self.telegram = telegram
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = {
            "PRAXOS_HOME": str(self.home),
            "PRAXOS_PORT": str(self.port),
            "PRAXOS_REMINDERS_EVERY": "* * * * * *",
            "PRAXOS_SWEEP_EVERY": "* * * * * *",
            "PRAXOS_RETRY_SECONDS": "0.3",
            "TELEGRAM_BOT_TOKEN": updates.TOKEN,
            "TELEGRAM_WEBHOOK_SECRET": updates.SECRET,
            "TELEGRAM_BOT_USERNAME": "praxos_bot",
            "TELEGRAM_API_BASE": telegram.url,
        }
        self.output: list[str] = []
        self._processes: list[asyncio.subprocess.Process] = []
        self._store: Beside | None = None
        self._starting = asyncio.Lock()
        """Hosts that start at once share one store."""
        self._numbers = itertools.count(5000)
        self._http: aiohttp.ClientSession | None = None

    async def start(
        self, *arguments: str, program: tuple[str, ...] = UP, **settings: str
    ) -> asyncio.subprocess.Process:
        """Start a host and wait until it says that it is ready."""
        lagging = beside.chosen() is beside.Kind.LAGGING
        async with self._starting:
            if self._store is None:
                clients, lag = (MOST_CLIENTS, beside.LAG_SECONDS) if lagging else (1, 0.0)
                self._store = await Beside.start(self.home, clients=clients, lag=lag)
        if lagging and program is UP and not arguments:
            started = [self.start("--role", role, **settings) for role in ROLES]
            return (await asyncio.gather(*started))[0]
        of_store = self._store.of_another_client()
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *program, *arguments),
                cwd=ROOT,
                env={**os.environ, **self.settings, **of_store, **settings},
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        self._processes.append(process)
        assert process.stdout
        line = await asyncio.wait_for(process.stdout.readline(), STARTED)
        assert line, self.log.read_text()
        self.output.append(line.decode().strip())
        return process

    async def kill(self) -> None:
        """End every host as a power cut does."""
        for process in self._processes:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()
        self._processes.clear()

    async def forget(self) -> None:
        """End the store, once no host runs."""
        if self._store:
            await self._store.stop()

    async def end(self) -> None:
        """Kill what still runs and let go of the client."""
        await self.kill()
        await self.forget()
        if self._http:
            await self._http.close()

    # --- as Telegram ---

    @property
    def http(self) -> aiohttp.ClientSession:
        """One client for the whole test."""
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SOON))
        return self._http

    async def post(self, body: bytes | dict[str, Any], *, secret: str | None = updates.SECRET) -> int:
        """Deliver an update once; return the status."""
        headers = {"Content-Type": "application/json"}
        if secret is not None:
            headers["X-Telegram-Bot-Api-Secret-Token"] = secret
        how: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": body}
        async with self.http.post(f"{self.url}/api/webhooks/telegram", headers=headers, **how) as response:
            return response.status

    def update(self, text: str, *, chat: int = 7) -> dict[str, Any]:
        """An update with a text from a private chat."""
        person = {"id": chat, "is_bot": False, "first_name": f"Person {chat}"}
        private = {"id": chat, "type": "private", "first_name": f"Person {chat}"}
        message = updates.message(text, chat=private, sender=person)
        return dict(updates.update(message, update_id=next(self._numbers)))

    async def say(self, text: str, *, chat: int = 7) -> dict[str, Any]:
        """Write to the bot; the webhook has to take it."""
        made = self.update(text, chat=chat)
        assert await self.post(made) == 200
        return made

    async def press(self, value: str, *, chat: int = 7) -> None:
        """Press a button; the webhook has to take it."""
        person = {"id": chat, "is_bot": False, "first_name": f"Person {chat}"}
        private = {"id": chat, "type": "private", "first_name": f"Person {chat}"}
        pressed = updates.press(value, chat=private, sender=person)
        assert await self.post({**pressed, "update_id": next(self._numbers)}) == 200

    async def button(self, label: str, *, chat: int = 7) -> str:
        """Wait until a button is offered in a chat; return the value of the newest one."""
        await until(
            lambda: label in self.buttons(chat),
            what=lambda: f"a button {label!r} in chat {chat}; it said {self.texts(chat)}",
        )
        return self.buttons(chat)[label]

    def buttons(self, chat: int = 7) -> dict[str, str]:
        """The buttons that were offered in a chat by their labels, the newest of each."""
        markups = [call.parameters.get("reply_markup", {}) for call in self.telegram.sent(chat)]
        rows = [row for markup in markups for row in markup.get("inline_keyboard", [])]
        return {str(button["text"]): str(button["callback_data"]) for row in rows for button in row}

    def texts(self, chat: int = 7) -> list[str]:
        """What the bot has said in a chat."""
        return [str(call.parameters["text"]) for call in self.telegram.sent(chat) if "text" in call.parameters]

    async def heard(self, text: str, *, chat: int = 7, seconds: float = SOON) -> None:
        """Wait until the bot has said something that contains `text`."""
        await until(
            lambda: any(text in said for said in self.texts(chat)),
            seconds=seconds,
            what=lambda: f"{text!r} in chat {chat}; it said {self.texts(chat)}",
        )

    # --- looking ---

    def count(self, kind: str, **fields: object) -> int:
        """How many documents of a kind there are, with these fields."""
        wanted = fields.items()
        return sum(all(body.get(name) == value for name, value in wanted) for _, body in look(self.home, kind))

    def documents(self, kind: str, *, chat: int = 7) -> list[dict[str, Any]]:
        """The documents of a kind in a chat's conversation, in the order in which they came."""
        conversation = f":telegram:{updates.BOT_ID}:{chat}"
        return [body for partition, body in look(self.home, kind) if partition.endswith(conversation)]

    def leases(self) -> int:
        """How many leases the hosts hold that run now."""
        running = [f"/{process.pid}/" for process in self._processes]
        owners = [(body.get("lease") or {}).get("owner") or "" for _, body in look(self.home, "conversation")]
        return sum(any(pid in owner for pid in running) for owner in owners)


def promised(seconds: float) -> float:
    """How long to wait for what people are promised in so many seconds, which is said of one process and a prompt store.

    With `--store lagging` ten processes share the machine, and each hop sees the one before it late: there it comes at all.
    """
    return SOON if beside.chosen() is beside.Kind.LAGGING else seconds


async def until(condition: Callable[[], object], *, seconds: float = SOON, what: Callable[[], str]) -> None:
    """Poll a condition until it holds. Raises AssertionError with `what` when it does not in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        assert loop.time() < deadline, f"not within {seconds:g} s: {what()}"
        await asyncio.sleep(0.02)

"""Praxos as a benchmark runs it: the host's processes on a data folder, reached by webhooks and the Bot API."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from benchmarks import telegram
from benchmarks.processes import LOOPBACK, ROOT, environment, folder, free_port, python, running

WHOLE: tuple[str, ...] = ("",)
"""Everything in one process."""


class Praxos:
    """A running deployment, and a person of any number of conversations."""

    def __init__(self, *, url: str, home: Path, processes: Sequence[Process], bot_api: telegram.BotApi) -> None:
        self.home = home
        self.processes = processes
        self.webhook = f"{url}/api/webhooks/telegram"
        self._bot_api = bot_api
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=telegram.HEADERS)

    async def post(self, update: bytes) -> None:
        """Deliver an update. Raises where it is not acknowledged."""
        async with self._http.post(self.webhook, data=update) as response:
            if response.status != 200:
                raise RuntimeError(f"the webhook answered {response.status}")

    async def say(self, conversation: int, text: str) -> None:
        """Say something that the demo model has no rule for, and wait for its echo."""
        await self._exchange(conversation, text, expected=text)

    async def ask(self, conversation: int, text: str, *, expected: str) -> None:
        """Ask something whose answer contains `expected`; a turn that takes long shows its progress before."""
        await self.until(conversation, text, containing=expected)

    async def _exchange(self, conversation: int, text: str, *, expected: str) -> None:
        reply = self._bot_api.reply(conversation)
        await self.post(telegram.update(conversation, text))
        async with asyncio.timeout(telegram.REPLY_SECONDS):
            said = await reply
        if expected not in said:
            raise RuntimeError(f"{text!r} was answered with {said!r}")

    async def until(self, conversation: int, text: str, *, containing: str) -> None:
        """Say something and wait for a message that contains another text, whatever comes before it."""
        reply = self._bot_api.reply(conversation, containing=containing)
        await self.post(telegram.update(conversation, text))
        async with asyncio.timeout(telegram.REPLY_SECONDS):
            await reply

    async def close(self) -> None:
        """Close the connections; the processes belong to whoever started them."""
        await self._http.close()


def settings(*, home: Path, port: int, bot_api: str, **more: str) -> dict[str, str]:
    """The environment of every process: the demo model, everything else as it comes."""
    return environment(
        PRAXOS_HOME=str(home),
        PRAXOS_PORT=str(port),
        PRAXOS_MODEL="demo",
        TELEGRAM_BOT_TOKEN=telegram.TOKEN,
        TELEGRAM_WEBHOOK_SECRET=telegram.SECRET,
        TELEGRAM_API_BASE=bot_api,
        **more,
    )


def command(role: str) -> list[str]:
    """How a process of a role is started; the whole host without one."""
    return python("-m", "local", "up", *(("--role", role) if role else ()))


@asynccontextmanager
async def deployed(*, roles: Sequence[str] = WHOLE, home: Path | None = None, **more: str) -> AsyncIterator[Praxos]:
    """Praxos with one process per role given, ready to answer."""
    async with AsyncExitStack() as stack:
        bot_api = await stack.enter_async_context(telegram.BotApi())
        data = await stack.enter_async_context(folder()) if home is None else home
        port = free_port()
        env = settings(home=data, port=port, bot_api=bot_api.url, **more)
        processes = [
            await stack.enter_async_context(running(command(role), env=env, cwd=ROOT, log=data / "log.txt"))
            for role in roles
        ]
        praxos = Praxos(url=f"http://{LOOPBACK}:{port}", home=data, processes=processes, bot_api=bot_api)
        stack.push_async_callback(praxos.close)
        yield praxos

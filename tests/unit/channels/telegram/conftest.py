"""The channel as it is built in production, in front of a fake Bot API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp
import pytest

from shared.channels.telegram.adapter import TelegramChannel, build
from shared.messages import Address
from shared.ports import Parts, StoredFile
from shared.settings import Settings
from tests.fakes.clock import ManualClock
from tests.fakes.telegram import FakeTelegram
from tests.fakes.telegram_updates import BOT_ID, SECRET, TOKEN

CHAT = 77
ADDRESS = Address(tenant="main", channel="telegram", account=str(BOT_ID), chat=str(CHAT))


@dataclass
class MemoryFiles:
    """Files in a dictionary."""

    contents: dict[str, bytes] = field(default_factory=dict)

    async def put(self, *, owner: str, name: str, media_type: str, content: bytes, keep: timedelta) -> StoredFile:
        self.contents[name] = content
        return StoredFile(id=name, name=name, media_type=media_type, size=len(content), owner=owner)

    async def describe(self, *, id: str) -> StoredFile | None:
        return None

    async def get(self, *, id: str) -> bytes | None:
        return self.contents.get(id)

    async def close(self) -> None:
        pass


@dataclass
class Bench:
    """A channel, and everything around it."""

    channel: TelegramChannel
    telegram: FakeTelegram
    files: MemoryFiles
    clock: ManualClock


def parts(
    *,
    environ: dict[str, str] | None = None,
    http: object = None,
    files: MemoryFiles | None = None,
    clock: ManualClock | None = None,
) -> Parts:
    """What the channel is built from."""
    needed = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_WEBHOOK_SECRET": SECRET, "TELEGRAM_BOT_USERNAME": "praxos_bot"}
    return Parts(
        settings=Settings(),
        environ={**needed, **(environ or {})},
        clock=clock or ManualClock(),
        http=lambda: http,
        files=lambda: files,
        secrets=lambda: None,
    )


@pytest.fixture
def channel() -> TelegramChannel:
    """A channel that can call nobody."""
    return build(parts())


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A channel in front of a fake Bot API; in the end, no call may have broken its rules."""
    async with FakeTelegram() as telegram, aiohttp.ClientSession() as session:
        files, clock = MemoryFiles(), ManualClock()
        environ = {"TELEGRAM_API_BASE": telegram.url, "TELEGRAM_TIMEOUT_SECONDS": "5"}
        built = build(parts(environ=environ, http=session, files=files, clock=clock))
        yield Bench(channel=built, telegram=telegram, files=files, clock=clock)
        assert telegram.violations == []

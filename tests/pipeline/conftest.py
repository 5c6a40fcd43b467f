"""A whole deployment on loopback: the embedded host in processes of its own, and a fake Telegram."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.telegram import FakeTelegram
from tests.pipeline.deployment import Deployment


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    """A Bot API server that checks every call against the specification, where that is present."""
    async with FakeTelegram() as server:
        yield server
        assert server.violations == []


@pytest.fixture
async def deployment(tmp_path: Path, telegram: FakeTelegram) -> AsyncIterator[Deployment]:
    """Not started yet; killed at the end."""
    made = Deployment(tmp_path, telegram)
    yield made
    await made.end()

"""A place of its own for each test on the Redis that tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.redis_process import RedisProcess
from tests.unit.queues.redis_kit import Place


@pytest.fixture
async def place(redis_server: RedisProcess, tmp_path: Path) -> AsyncIterator[Place]:
    """On the server that tests share."""
    made = Place(redis_server, str(tmp_path))
    yield made
    await made.close()

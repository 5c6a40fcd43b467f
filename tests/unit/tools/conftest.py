"""A person's desk for the tests of tools."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.tools import Desk
from tests.fakes.tools import desk as open_desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, "time", "calculate", "schedule", "memory", "files") as found:
        yield found

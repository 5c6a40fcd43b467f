"""One nursery for all crash tests, a stage for each, and the table of what was reached."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.crash.nursery import Nursery
from tests.crash.report import Report
from tests.crash.stage import Stage
from tests.fakes.telegram import FakeTelegram

_report = Report()


@pytest.fixture(scope="session")
def report() -> Report:
    """Where tests note which point was reached."""
    return _report


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def nursery(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Nursery]:
    """Where hosts are born."""
    opened = await Nursery.open(tmp_path_factory.mktemp("hosts"))
    try:
        yield opened
    finally:
        await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def stage(nursery: Nursery, tmp_path: Path) -> AsyncIterator[Stage]:
    """A data folder with people who write to it; no host runs yet."""
    async with FakeTelegram() as telegram:
        opened = Stage(tmp_path / "home", nursery, telegram)
        await opened.open()
        try:
            yield opened
        finally:
            await opened.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of points."""
    for line in _report.lines():
        terminalreporter.write_line(line)

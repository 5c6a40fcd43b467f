"""One nursery for all crash tests, a stage for each, and the table of what was reached."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.crash.nursery import Nursery
from tests.crash.report import Report, gathered, lines
from tests.crash.stage import Stage
from tests.crash.waiting import patience
from tests.fakes.telegram import FakeTelegram


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test that waits longer may take longer itself."""
    if patience() > 1:
        for item in items:
            item.add_marker(pytest.mark.timeout(patience() * float(config.getini("timeout"))))


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Iterator[Report]:
    """Where a test notes which points it reached."""
    opened = Report()
    yield opened
    request.node.user_properties.append(opened.to_property())


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
    """Print the table of points, whichever process they were tried in."""
    ends = [
        one for reports in terminalreporter.stats.values() for one in reports if getattr(one, "when", "") == "teardown"
    ]
    for line in lines(gathered(found for one in ends for found in one.user_properties)):
        terminalreporter.write_line(line)

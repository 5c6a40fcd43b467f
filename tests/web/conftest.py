"""A browser for a module's tests, a stage for each, and people who open its page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from tests.web.chromium import launch
from tests.web.stage import Stage

Visit = Callable[..., Awaitable[Page]]

PATIENCE_MS = 30_000
"""How long a busy machine may take to show something."""
expect.set_options(timeout=PATIENCE_MS)

EXPECTED = ("Failed to load resource", "net::ERR_")
"""What a browser says of a server that is away or refuses, which is what some tests are about."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path)
    await stage.start()
    yield stage
    await stage.close()


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Opens the page as a new person, or in another tab of one. What the page complains of fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(word in message.text for word in EXPECTED):
            complaints.append(message.text)

    async def open_page(url: str, *, beside: Page | None = None, complain: bool = True, **options: Any) -> Page:
        if beside is None:
            contexts.append(await browser.new_context(**options))
        context = beside.context if beside else contexts[-1]
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        if complain:
            page.on("console", hear)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(url)
        await page.locator("#log:not([aria-busy])").wait_for(state="attached")
        return page

    yield open_page
    for context in contexts:
        await context.close()
    assert complaints == []


async def say(page: Page, text: str) -> None:
    """Type a message and send it."""
    await page.get_by_label("Message", exact=True).fill(text)
    await page.keyboard.press("Enter")

"""Finds a Chromium for the tests of the page."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from playwright.async_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find(playwright: Playwright) -> str:
    """The path of a Chromium: the one that is named, Playwright's own, or the system's. Skips the test without one."""
    named = os.environ.get("PRAXOS_CHROMIUM")
    if named:
        return named
    if Path(playwright.chromium.executable_path).exists():
        return playwright.chromium.executable_path
    for name in NAMES:
        if found := shutil.which(name):
            return found
    pytest.skip(
        "no Chromium found: run `python -m playwright install chromium`, or `apt-get install chromium`, "
        "or name one with PRAXOS_CHROMIUM"
    )


async def launch(playwright: Playwright) -> Browser:
    """Start it. As root Chromium refuses to run in its sandbox."""
    sandbox = [] if os.getuid() else ["--no-sandbox"]
    return await playwright.chromium.launch(executable_path=find(playwright), args=[*QUIET, *sandbox])

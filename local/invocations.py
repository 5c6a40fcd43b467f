"""Calling the functions of the app: within functionTimeout, and aware of whether somebody waits for an answer."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

from local.indexing import Function


class Invocations:
    """Every invocation of this process goes through here."""

    def __init__(self, *, function_timeout: timedelta) -> None:
        self._seconds = function_timeout.total_seconds()
        self._interactive = 0
        self._last_interactive = float("-inf")
        self._idle = asyncio.Event()
        self._idle.set()
        self.durable_client = ""
        """What a function's Durable client is made of: the JSON of its binding."""

    async def run(self, function: Function, argument: object, *, interactive: bool) -> Any:
        """Call the function and return its result. Raises whatever it raises, and TimeoutError past functionTimeout."""
        arguments = {function.argument: argument}
        if function.client:
            arguments[function.client] = self.durable_client
        if interactive:
            self._interactive += 1
            self._idle.clear()
        try:
            async with asyncio.timeout(self._seconds):
                return await function.call(**arguments)
        finally:
            if interactive:
                self._interactive -= 1
                self._last_interactive = time.monotonic()
                if not self._interactive:
                    self._idle.set()

    async def quiet(self, *, seconds: float, at_most: float) -> None:
        """Return when nothing interactive has run for so many `seconds`, or after `at_most` seconds."""
        deadline = time.monotonic() + at_most
        while (left := deadline - time.monotonic()) > 0:
            pause = self._last_interactive + seconds - time.monotonic()
            if self._interactive:
                try:
                    await asyncio.wait_for(self._idle.wait(), left)
                except TimeoutError:
                    return
            elif pause > 0:
                await asyncio.sleep(min(pause, left))
            else:
                return

"""Shows what a turn is doing while it works: best effort, outside the outbox, never after the reply."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from shared.conversation.outbox_records import ProgressRecord
from shared.conversation.partition import Transaction
from shared.conversation.records import PROGRESS
from shared.messages import Address, PraxosError, Progress
from shared.pipeline.rooms import Room
from shared.ports import Clock, Sending
from shared.steps import Step
from shared.telemetry import logger

log = logger(__name__)

FIRST_AFTER = 0.5
"""Seconds of work before anything is shown: a quick reply needs no sign that it is coming."""
REFRESH_EVERY = 4.0
"""Seconds: Telegram's typing action lasts five."""
CHANGE_EVERY = 1.0
"""Seconds between two changes of the text: a platform allows about one message a second in a chat."""
THINKING = "Thinking"


class ProgressDisplay:
    """One turn's progress. Costs nothing but a timer while the turn is quick."""

    def __init__(self, *, room: Room, address: Address, clock: Clock) -> None:
        self._room = room
        self._address = address
        self._clock = clock
        self._since = clock.now()
        self._text = ""
        self._changed = asyncio.Event()
        self._handle = ""
        self._noted = ""
        self._shown = False
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(FIRST_AFTER, self._start)

    def say(self, text: str) -> None:
        """Change what is shown."""
        self._text = text
        self._changed.set()

    async def stop(self) -> None:
        """Show nothing any more. Called before the reply enters the outbox."""
        self._timer.cancel()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._shown:
            await self._quietly(None)

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._keep_showing())

    async def _keep_showing(self) -> None:
        while True:
            self._changed.clear()
            self._shown = True
            await self._quietly(Progress(text=self._text, since=self._since))
            await asyncio.sleep(CHANGE_EVERY)
            # Not `wait_for`: on Python 3.11 it swallows a cancellation that comes together with the change.
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_EVERY - CHANGE_EVERY):
                    await self._changed.wait()

    async def _quietly(self, progress: Progress | None) -> None:
        try:
            if self._room.channel.capabilities.sending is Sending.PAGE:
                await self._write((progress.text or THINKING) if progress else "")
            else:
                self._handle = await self._room.channel.show(
                    address=self._address, progress=progress, handle=self._handle
                )
                await self._note(progress.text if progress else "")
        except PraxosError as error:
            log.debug("progress not shown", extra={"fields": {"error": type(error).__name__}})

    async def _note(self, text: str) -> None:
        """Where the platform shows it, only /status reads the record: a write for each new text."""
        if text != self._noted:
            await self._write(text)
            self._noted = text

    async def _write(self, text: str) -> None:
        transaction = Transaction()
        transaction.put(PROGRESS, ProgressRecord(text=text, since=self._since))
        await self._room.partition.commit(Step.SHOW_PROGRESS, transaction)

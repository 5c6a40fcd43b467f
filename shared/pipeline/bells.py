"""Ringing: a message that only says which conversation to look at, with an id that nobody used before."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import ids
from shared.messages import Bell
from shared.ports import QueueMessage
from shared.settings import Settings
from shared.steps import Step
from shared.telemetry import handed_on, properties

if TYPE_CHECKING:
    from shared.ports import Clock, Queue

LONGEST_BACK_OFF = 300.0
"""Seconds."""


class Bells:
    """Rings queues."""

    def __init__(self, *, queue: Queue, clock: Clock, settings: Settings) -> None:
        self._queue = queue
        self._clock = clock
        self._settings = settings

    async def ring(self, *, step: Step, queue: str, bell: Bell, at: datetime | None = None) -> None:
        """Ring now, or at a time. Raises QueueUnavailable; then `wake_at` and the sweeper make up for it."""
        # What follows from a second look is itself seen for the first time.
        await self._ring(step, queue, bell.model_copy(update={"again": False}), at)

    async def _ring(self, step: Step, queue: str, bell: Bell, at: datetime | None) -> None:
        rung = handed_on(bell)
        body = rung.model_dump_json().encode()
        message = QueueMessage(body=body, id=ids.fresh(), enqueue_at=at, properties=properties(rung))
        await self._queue.send(step=step, queue=queue, messages=[message])

    async def ring_again(self, *, step: Step, queue: str, bell: Bell) -> None:
        """Ring later, because nothing could be recorded now: the bell itself counts the attempts."""
        again = bell.model_copy(update={"attempt": bell.attempt + 1})
        await self.ring(step=step, queue=queue, bell=again, at=self._clock.now() + self.back_off(bell.attempt))

    async def look_again(self, *, step: Step, queue: str, bell: Bell, lag: float) -> None:
        """For a bell that found nothing to do: where the store shows others' writes late, look once more after that.

        `lag`: how late that may be, in seconds.
        """
        if lag and not bell.again:
            again = bell.model_copy(update={"again": True})
            await self._ring(step, queue, again, self._clock.now() + timedelta(seconds=lag))

    def back_off(self, attempt: int) -> timedelta:
        """How long to wait after the given number of failed attempts: doubling, up to five minutes."""
        return timedelta(seconds=min(self._settings.retry_seconds * 2 ** min(attempt, 20), LONGEST_BACK_OFF))

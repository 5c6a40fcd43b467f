"""The background stage: turns and summaries that nobody waits for."""

from __future__ import annotations

from shared.messages import Bell
from shared.pipeline.summary import Summaries
from shared.pipeline.turn import Turns
from shared.pipeline.turn_end import SUMMARY


class Background:
    """Answers the bells of `background`."""

    def __init__(self, *, turns: Turns, summaries: Summaries) -> None:
        self._turns = turns
        self._summaries = summaries

    async def answer(self, bell: Bell) -> None:
        """Summarise where the bell asks for that, else drain the mailbox."""
        if bell.subject == SUMMARY:
            await self._summaries.answer(bell)
        else:
            await self._turns.answer(bell)

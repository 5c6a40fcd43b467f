"""The background stage: turns and summaries that nobody waits for."""

from __future__ import annotations

from shared.messages import Bell, StoreUnavailable
from shared.pipeline.bells import Bells
from shared.pipeline.run_end import SUMMARY
from shared.pipeline.summary import Summaries
from shared.pipeline.turn import Turns
from shared.steps import Step
from shared.telemetry import logger
from shared.topology import BACKGROUND

log = logger(__name__)


class Background:
    """Answers the bells of `background`."""

    def __init__(self, *, turns: Turns, summaries: Summaries, bells: Bells) -> None:
        self._turns = turns
        self._summaries = summaries
        self._bells = bells

    async def answer(self, bell: Bell) -> None:
        """Summarise where the bell asks for that, else drain the mailbox."""
        if bell.subject != SUMMARY:
            await self._turns.answer(bell)
            return
        try:
            await self._summaries.answer(bell)
        except StoreUnavailable as error:
            log.warning("summary put off", extra={"fields": {"error": str(error)}})
            await self._bells.ring_again(step=Step.RING_AGAIN, queue=BACKGROUND, bell=bell)

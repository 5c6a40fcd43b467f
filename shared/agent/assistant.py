"""The assistant: what a turn asks for an answer. Cheap to import; the agent's libraries load on the first question."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from shared.agent import revision
from shared.agent.turn import Control, Outcome, Said, Segment
from shared.ports import Checkpoints, Tool

if TYPE_CHECKING:
    from shared.agent import segment
    from shared.agent.models import Models


class Assistant:
    """Answers questions with a chain of models and a set of tools."""

    def __init__(self, *, models: Models, tools: Sequence[Tool], checkpoints: Checkpoints) -> None:
        self._models = models
        self._tools = tools
        self._checkpoints = checkpoints
        self._agent: segment.Agent | None = None
        self._revision = ""

    async def warm(self) -> None:
        """Load the agent's libraries and build its graph ahead of the first question. Seconds, most of it in a thread."""
        await self._working()

    async def revision(self) -> str:
        """What the agent is made of, in short: a run that another revision began is not simply gone on with."""
        if not self._revision:
            self._revision = await asyncio.to_thread(revision.revision, self._tools)
        return self._revision

    async def work(self, *, segment: Segment, control: Control) -> Outcome:
        """Work on a segment of a run: until there is an answer, or it stops at questions, or is drained.

        Raises ModelUnavailable when no model answers now, Permanent when none ever will, BudgetSpent, TooLarge,
        StoreUnavailable, and whatever `control` raises, such as LeaseLost and Stopped.
        """
        agent = await self._working()
        from shared.agent import segment as segments  # its libraries take seconds to import: `_working` loaded them

        return await segments.work(agent=agent, checkpoints=self._checkpoints, segment=segment, control=control)

    async def summarise(self, *, summary: str, said: Sequence[Said]) -> str:
        """The running summary that takes the place of `summary` and the messages after it.

        Raises ModelUnavailable when no model answers now, Permanent when none ever will.
        """
        await self._working()
        from shared.agent import summary as summaries  # as above

        return await summaries.summarise(models=self._models, summary=summary, said=said)

    async def _working(self) -> segment.Agent:
        if self._agent is None:
            module = await asyncio.to_thread(import_module, "shared.agent.segment")
            if self._agent is None:
                self._agent = module.build(models=self._models, tools=self._tools)
        return self._agent

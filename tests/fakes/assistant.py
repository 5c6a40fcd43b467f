"""An agent that answers at once, or as it is told."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from shared.agent.turn import Answer, Control, Cost, Outcome, Question, Said, Segment

Script = Callable[[Question, Control], Awaitable[str]]
Course = Callable[[Segment, Control], Awaitable[Outcome]]
"""A whole segment: for agents that ask, pause and go on."""


class FakeAssistant:
    """Says `You said: ` and the text. `script` replaces that; `troubles` are raised first."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.troubles: deque[Exception] = deque()
        self.script: Script | None = None
        self.course: Course | None = None
        self.segments: list[Segment] = []
        self.is_now = "first revision"
        self.entered = asyncio.Event()
        self.summaries: list[Sequence[Said]] = []

    async def revision(self) -> str:
        return self.is_now

    async def work(self, *, segment: Segment, control: Control) -> Outcome:
        question = segment.question
        self.asked.append(question)
        self.segments.append(segment)
        self.entered.set()
        if self.course:
            return await self.course(segment, control)
        await control.before_step()
        if self.troubles:
            raise self.troubles.popleft()
        text = await self.script(question, control) if self.script else f"You said: {question.text}"
        cost = Cost(model="fake", model_calls=1)
        return Outcome(cost=cost, answer=Answer(text=text, model="fake", model_calls=1))

    async def summarise(self, *, summary: str, said: Sequence[Said]) -> str:
        self.summaries.append(said)
        return f"{summary}|{len(said)}"

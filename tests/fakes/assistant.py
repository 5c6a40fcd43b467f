"""An agent that answers at once, or as it is told."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from shared.agent.turn import Answer, Control, Question, Said

Script = Callable[[Question, Control], Awaitable[str]]


class FakeAssistant:
    """Says `You said: ` and the text. `script` replaces that; `troubles` are raised first."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.troubles: deque[Exception] = deque()
        self.script: Script | None = None
        self.entered = asyncio.Event()
        self.summaries: list[Sequence[Said]] = []

    async def answer(self, *, question: Question, control: Control) -> Answer:
        self.asked.append(question)
        self.entered.set()
        await control.before_step()
        if self.troubles:
            raise self.troubles.popleft()
        text = await self.script(question, control) if self.script else f"You said: {question.text}"
        return Answer(text=text, model="fake", model_calls=1)

    async def summarise(self, *, summary: str, said: Sequence[Said]) -> str:
        self.summaries.append(said)
        return f"{summary}|{len(said)}"

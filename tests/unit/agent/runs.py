"""A run of several segments, as the pipeline makes one: what was accepted, what was asked and answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, ToolMessage

from shared.agent.assistant import Assistant
from shared.agent.turn import Asked, Given, Outcome, Question
from tests.fakes.chat_models import chain
from tests.fakes.checkpoints import MemoryCheckpoints
from tests.fakes.clock import ManualClock
from tests.unit.agent.kit import FakeControl, FakeLedger, by_name, question, segment


@dataclass
class FakeRun:
    """One run. Each segment gets an assistant of its own, as a new process would."""

    models: Sequence[BaseChatModel]
    tools: Sequence[Any] = ()
    checkpoints: MemoryCheckpoints = field(default_factory=MemoryCheckpoints)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    asked: Question = field(default_factory=question)
    answers: list[Given] = field(default_factory=list)
    segments: int = 0
    outcome: Outcome | None = None

    def assistant(self) -> Assistant:
        return Assistant(
            models=chain(*self.models, clock=ManualClock()), tools=by_name(*self.tools), checkpoints=self.checkpoints
        )

    async def work(self, control: FakeControl | None = None, **fields: Any) -> Outcome:
        """The next segment, from what was accepted last."""
        control = control or FakeControl()
        control.ledger = self.ledger
        self.segments += 1
        piece = segment(
            self.asked,
            accepted=self.ledger.pointer,
            answers=list(self.answers),
            thread=f"main:run~{self.segments}.{self.segments - 1}",
            **fields,
        )
        self.outcome = await self.assistant().work(segment=piece, control=control)
        if self.outcome.pointer:
            self.ledger.pointer = self.outcome.pointer
        return self.outcome

    def answer(self, asked: Asked, type_: str, **value: Any) -> None:
        """Record an answer."""
        self.answers.append(Given(asked.interrupt, asked.index, asked.call, {"type": type_, **value}))


def results(messages: Sequence[BaseMessage]) -> list[ToolMessage]:
    return [message for message in messages if isinstance(message, ToolMessage)]


def words(messages: Sequence[BaseMessage]) -> list[str]:
    return [message.text for message in results(messages)]

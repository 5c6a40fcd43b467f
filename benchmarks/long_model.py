"""A chat model for a run without end: each answer calls one tool, every tenth one that writes."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatResult


class StepModel(BaseChatModel):
    """Counts its answers; a request without tools is for a summary."""

    steps: int
    writes_every: int
    passed: Callable[[int], None]
    step: int = 0

    @property
    def _llm_type(self) -> str:
        return "steps"

    def bind_tools(self, *_: Any, **__: Any) -> StepModel:
        """The same model: its counter is one for all."""
        return self

    async def ainvoke(self, input: Any, config: Any = None, **_: Any) -> AIMessage:
        """The next step."""
        return self._answer(input)

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._answer(messages))])

    def _answer(self, messages: Any) -> AIMessage:
        if "summar" in str(messages[0].content)[:400].lower() and "summary" in str(messages[0].content).lower()[:400]:
            return AIMessage("Worked step by step.")
        if self.step >= self.steps:
            return AIMessage("Done.")
        self.step += 1
        self.passed(self.step)
        writes = self.step % self.writes_every == 0
        name, arguments = (
            ("remember", {"text": f"step {self.step % 100}"}) if writes else ("calculate", {"expression": "12*7"})
        )
        call = ToolCall(name=name, args=arguments, id=f"call_{uuid.uuid4().hex[:24]}", type="tool_call")
        return AIMessage("", id=f"step-{uuid.uuid4()}", tool_calls=[call])


class Provider:
    """The ModelProvider of one model."""

    def __init__(self, model: BaseChatModel) -> None:
        self._model = model

    def configured(self) -> bool:
        """It always is."""
        return True

    def chat_model(self, *, name: str) -> BaseChatModel:
        """The model, whatever its name."""
        return self._model

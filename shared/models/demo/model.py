"""The demo model itself, as a LangChain chat model."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput, ModelProfile
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig
from pydantic import Field

from shared.models.demo import course, reading, summary


class DemoModel(BaseChatModel):
    """Answers by rules, at once. Ids are random, as a service's are."""

    profile: ModelProfile | None = Field(default=ModelProfile(image_inputs=False, tool_calling=True), exclude=True)
    tools: frozenset[str] = frozenset()

    @property
    def _llm_type(self) -> str:
        return "demo"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> DemoModel:
        """The same model, knowing which tools it may call."""
        return self.model_copy(update={"tools": frozenset(tool.name for tool in tools)})

    async def ainvoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **_: Any) -> AIMessage:
        """Answer without the library's machinery around it, which costs more than the rules."""
        return self._answer(input if isinstance(input, list) else self._convert_input(input).to_messages())

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._answer(messages))])

    def _answer(self, messages: Sequence[Any]) -> AIMessage:
        system = messages[0].text if messages and isinstance(messages[0], SystemMessage) else ""
        if summary.is_asked_for(system):
            return self._say(summary.write(messages[-1].text))
        chosen = course.choose(reading.follow(messages), tools=self.tools)
        if isinstance(chosen, str):
            return self._say(chosen)
        calls = [
            ToolCall(name=wanted.tool, args=wanted.arguments, id=f"call_{uuid.uuid4().hex[:24]}", type="tool_call")
            for wanted in chosen
        ]
        return AIMessage("", id=f"demo-{uuid.uuid4()}", tool_calls=calls)

    @staticmethod
    def _say(text: str) -> AIMessage:
        return AIMessage(text, id=f"demo-{uuid.uuid4()}")

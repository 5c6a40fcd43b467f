"""What LangChain's `create_agent` is given where our middleware does the work: a model and tools that are never called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import ChatResult
from langchain_core.tools import BaseTool, StructuredTool

from shared.ports import Tool


class Nominal(BaseChatModel):
    """The model. AskModel asks the chain instead."""

    @property
    def _llm_type(self) -> str:
        return "chain"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise RuntimeError("the nominal model was asked; AskModel asks the chain of models")


def declare(tools: Sequence[Tool]) -> list[BaseTool]:
    """The tools as a model is told of them. Effects calls them, never the library."""
    return [
        StructuredTool(name=tool.name, description=tool.description, args_schema=tool.arguments, coroutine=_never)
        for tool in tools
    ]


async def _never(**_: object) -> None:
    raise RuntimeError("a declared tool was called by the library; Effects calls them")

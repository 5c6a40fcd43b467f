"""`create_agent` called directly, with a model that answers at once and nothing around it: prints the median in ms."""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import time
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult


class Echo(BaseChatModel):
    """Says what it heard."""

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(f"You said: {messages[-1].text}"))])

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return self._generate(messages)


async def main(calls: int) -> None:
    """Call it so often, one call after the other, and as often before that to warm up."""
    agent = create_agent(Echo(), [])
    times = []
    for call in range(-calls, calls):
        if call == 0:
            gc.freeze()
        begun = time.perf_counter()
        await agent.ainvoke({"messages": [HumanMessage(f"message {call}")]})
        times.append(time.perf_counter() - begun)
    print(statistics.median(times[calls:]) * 1000)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))

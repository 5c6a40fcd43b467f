"""`create_agent` called directly: one tool, a model that answers at once, nothing around it. Prints the median in ms."""

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
from langchain_core.tools import tool

REMEMBERED = 40
"""Messages: what Praxos gives its model on average, word for word."""


class Echo(BaseChatModel):
    """Says what it heard."""

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(f"You said: {messages[-1].text}"))])

    def bind_tools(self, *_: Any, **__: Any) -> Echo:
        """The same model: it calls none."""
        return self

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return self._generate(messages)


@tool
def now() -> str:
    """The time."""
    return time.ctime()


async def main(calls: int) -> None:
    """Talk so often, and as often before that to warm up. Without a saver, the caller hands on what was said before."""
    agent = create_agent(Echo(), [now])
    said: list[Any] = []
    times = []
    for call in range(-calls, calls):
        if call == 0:
            gc.freeze()
        said.append(HumanMessage(f"message {call}"))
        begun = time.perf_counter()
        state = await agent.ainvoke({"messages": said})
        times.append(time.perf_counter() - begun)
        said = state["messages"][-REMEMBERED:]
    print(statistics.median(times[calls:]) * 1000)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))

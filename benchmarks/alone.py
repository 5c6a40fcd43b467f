"""One conversation alone: the whole pipeline next to LangChain's agent called directly, without a saver."""

from __future__ import annotations

import time
from statistics import median

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from benchmarks import praxos
from benchmarks.driver import talk
from benchmarks.report import Row, middle

MESSAGES = 100
ROUNDS = 5


class Echo(BaseChatModel):
    """A model that answers at once."""

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(self, messages: list[BaseMessage], *_: object, **__: object) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(f"You said: {messages[-1].content}"))])

    async def _agenerate(self, messages: list[BaseMessage], *_: object, **__: object) -> ChatResult:
        return self._generate(messages)


async def direct() -> list[float]:
    """How long each of the agent's answers takes, in seconds."""
    agent = create_agent(Echo(), [])
    times = []
    for n in range(MESSAGES):
        begun = time.perf_counter()
        await agent.ainvoke({"messages": [HumanMessage(f"message {n}")]})
        times.append(time.perf_counter() - begun)
    return times


async def measure() -> list[Row]:
    """Alternate the two."""
    ours: list[float] = []
    theirs: list[float] = []
    async with praxos.deployed() as deployment:
        await talk(deployment.say, conversations=[0], turns=MESSAGES)
        await direct()
        for _ in range(ROUNDS):
            ours.append((await talk(deployment.say, conversations=[0], turns=MESSAGES)).percentile(50))
            theirs.append(median(await direct()))
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    peer = middle(theirs, "ms (create_agent)", scale=1e3, digits=2)
    return [
        Row("one conversation alone, median", middle(ours, "ms", scale=1e3, digits=2), peer, ratios, target=6),
    ]

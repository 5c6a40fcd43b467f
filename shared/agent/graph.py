"""The agent's graph: LangChain's `create_agent` with two hooks, one around each model call and one around each tool call.

Importing this takes seconds (LangGraph): `shared.agent.assistant` does so in a thread, on the first question.
"""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import langsmith
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolCall, ToolMessage
from langchain_core.outputs import ChatResult
from langchain_core.tools import BaseTool
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import Command
from langsmith.utils import tracing_is_enabled

from shared.agent import history, prompt, repair, tool_calls
from shared.agent.models import Models, Reply
from shared.agent.turn import Answer, Control, Question, Said
from shared.messages import Attachment, BudgetSpent
from shared.ports import Clock, Tool

REPAIRS = 2
"""How often in a row a model is asked again after malformed tool calls. After an empty answer it is asked once more."""
NOTHING_SAID = "Sorry, I could not put an answer together. Please try again, perhaps in other words."

State = AgentState[Any]
Graph = CompiledStateGraph[State, "Turn", Any, Any]
CallNext = Callable[[ModelRequest["Turn"]], Awaitable[ModelResponse[Any]]]
RunTool = Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]


@dataclass(slots=True)
class Turn:
    """What one turn carries through the graph."""

    question: Question
    control: Control
    before: Sequence[BaseMessage]
    """The system prompt and the history. They stand here because the graph handles each message of its state again and
    again, in every step."""
    model: str = ""
    model_calls: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    attachments: list[Attachment] = field(default_factory=list)


class CallModel(AgentMiddleware[State, Turn]):
    """Asks the chain of models, mends what they get wrong, and keeps the turn's limits."""

    def __init__(self, *, models: Models, tools: Sequence[BaseTool], steps: int, clock: Clock) -> None:
        super().__init__()
        self._models = models
        self._declared = tools
        self._steps = steps
        self._clock = clock

    async def awrap_model_call(self, request: ModelRequest[Turn], handler: CallNext) -> ModelResponse[Any]:
        """Innermost of its kind: it calls the model itself, because the chain may take another than the graph's."""
        turn = request.runtime.context
        said: list[BaseMessage] = []
        empty = False
        for _ in range(REPAIRS + 1):
            reply = await self._ask(turn, [*turn.before, *request.messages, *said])
            message = repair.with_own_ids(reply.message, taken=[*request.messages, *said])
            if message.tool_calls:
                self._count_tool_calls(turn, len(message.tool_calls))
            elif message.invalid_tool_calls:
                said += [message, *repair.malformed(message)]
                continue
            elif not message.text.strip():
                if empty:
                    break
                empty = True
                continue
            return ModelResponse(result=[*said, message])
        return ModelResponse(result=[*said, AIMessage(NOTHING_SAID)])

    async def _ask(self, turn: Turn, messages: Sequence[BaseMessage]) -> Reply:
        await turn.control.before_step()
        left = seconds_left(turn, self._clock)
        try:
            reply = await self._models.call(messages=messages, tools=self._declared, seconds=left)
        except TimeoutError:
            raise _out_of_time() from None
        turn.model = reply.model
        turn.model_calls += 1
        if usage := reply.message.usage_metadata:
            turn.input_tokens += usage["input_tokens"]
            turn.output_tokens += usage["output_tokens"]
        return reply

    def _count_tool_calls(self, turn: Turn, more: int) -> None:
        # Checked before any call of this message starts, so that none is cut half way.
        if turn.tool_calls + more > self._steps:
            raise BudgetSpent(f"this would take more than {self._steps} steps, the most that one message may take")
        turn.tool_calls += more


class CallTool(AgentMiddleware[State, Turn]):
    """Calls our tools with the context of the turn and turns failures into words for the model."""

    def __init__(self, *, tools: Mapping[str, Tool], clock: Clock) -> None:
        super().__init__()
        self._tools = tools
        self._clock = clock

    async def awrap_tool_call(self, request: ToolCallRequest, handler: RunTool) -> ToolMessage | Command[Any]:
        """Innermost of its kind: it calls the tool itself, so that the library's own error texts reach nobody."""
        turn = cast(Turn, request.runtime.context)  # the library's type of it is unknown at this point
        wanted = request.tool_call
        tool = self._tools.get(wanted["name"])
        await turn.control.before_step()
        left = seconds_left(turn, self._clock)
        if tool is not None:
            await turn.control.progress(tool.progress)
        try:
            result = await tool_calls.call(
                tool=tool,
                name=wanted["name"],
                arguments=wanted["args"],
                known=list(self._tools),
                context=lambda: turn.question.context(position(request.state["messages"], wanted)),
                seconds=left,
            )
        except tool_calls.Failed as error:
            return ToolMessage(str(error), tool_call_id=wanted["id"], name=wanted["name"], status="error")
        turn.attachments += result.attachments
        return ToolMessage(result.text, tool_call_id=wanted["id"], name=wanted["name"])


class Nominal(BaseChatModel):
    """What `create_agent` is given as its model. CallModel asks the chain instead, so this one is never asked."""

    @property
    def _llm_type(self) -> str:
        return "chain"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError("CallModel asks the chain of models")


def build(*, models: Models, tools: Sequence[Tool], steps: int, clock: Clock) -> Graph:
    """The graph for a set of tools. It takes milliseconds to build, so it is kept."""
    run_hooks_inline()
    declared = tool_calls.declare(tools)
    hooks = [
        CallModel(models=models, tools=declared, steps=steps, clock=clock),
        CallTool(tools={tool.name: tool for tool in tools}, clock=clock),
    ]
    return create_agent(Nominal(), declared, middleware=hooks, context_schema=Turn)


async def answer(*, graph: Graph, question: Question, control: Control) -> Answer:
    """Run one turn through the graph."""
    system = prompt.system(channel=question.channel, summary=question.summary)
    turn = Turn(question=question, control=control, before=[system, *history.messages(question.history)])
    state = await graph.ainvoke({"messages": [await prompt.message(question)]}, context=turn)
    return Answer(
        text=state["messages"][-1].text.strip(),
        attachments=tuple(turn.attachments),
        model=turn.model,
        model_calls=turn.model_calls,
        tool_calls=turn.tool_calls,
        input_tokens=turn.input_tokens,
        output_tokens=turn.output_tokens,
    )


async def summarise(*, models: Models, summary: str, said: Sequence[Said]) -> str:
    """The summary that replaces `summary` and the messages that were said after it."""
    reply = await models.call(messages=prompt.to_summarise(summary=summary, said=said))
    return reply.message.text.strip() or summary


def run_hooks_inline() -> None:
    """Let LangChain run its hooks without threads where nothing is traced."""
    # LangChain traces every hook with two hops to a thread, also where tracing is off: then they are run right here.
    langsmith.set_runtime_overrides(aio_to_thread=None if tracing_is_enabled() else _inline)


async def _inline(
    _default: object, context: contextvars.Context, function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Any:
    return context.run(function, *args, **kwargs)


def position(messages: Sequence[BaseMessage], call: ToolCall) -> str:
    """Where in the turn a tool call stands: the number of its AI message, and its place in that.

    Both count from 0 and are the same when the turn is done again; a provider's call ids are not.
    """
    spoken = [message for message in messages if isinstance(message, AIMessage)]
    index = next(place for place, other in enumerate(spoken[-1].tool_calls) if other["id"] == call["id"])
    return f"{len(spoken) - 1}.{index}"


def seconds_left(turn: Turn, clock: Clock) -> float:
    """What is left of the turn's time. Raises BudgetSpent where nothing is."""
    left = turn.control.deadline - clock.monotonic()
    if left <= 0:
        raise _out_of_time()
    return left


def _out_of_time() -> BudgetSpent:
    return BudgetSpent("this took longer than one message may take")

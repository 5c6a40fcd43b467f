"""Asks the chain of models: takes in what the person said meanwhile, keeps the state small, mends what models get wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, BaseMessage, RemoveMessage
from langchain_core.tools import BaseTool
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from shared.agent import compaction, prompt, repair
from shared.agent.models import Models
from shared.agent.work import CallNext, Handover, State, Work
from shared.messages import BudgetSpent, ModelUnavailable, Permanent
from shared.ports import Asking, Effect, Tool

REPAIRS = 2
"""How often in a row a model is asked again after malformed tool calls. After an empty answer it is asked once more."""
NOTHING_SAID = "Sorry, I could not put an answer together. Please try again, perhaps in other words."


class AskModel(AgentMiddleware[State, Work]):
    """Innermost of its kind: it calls the model itself, because the chain may take another than the graph's."""

    def __init__(self, *, models: Models, tools: Mapping[str, Tool], declared: Sequence[BaseTool]) -> None:
        super().__init__()
        self._models = models
        self._declared = declared
        self._holds = {
            name for name, tool in tools.items() if tool.effect is not Effect.READ or isinstance(tool, Asking)
        }

    async def awrap_model_call(self, request: ModelRequest[Work], handler: CallNext) -> ModelResponse[Any]:
        """One step of the model, inside the graph."""
        work = request.runtime.context
        if work.ready:
            message, work.ready = work.ready, None
            work.look_around()
            return ModelResponse(result=[message])
        result = await self.step(work, request.messages)
        work.look_around()
        return ModelResponse(result=result)

    async def step(self, work: Work, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        """What the state gets: what the person said meanwhile, then the model's message. Raises Handover."""
        if work.light and work.control.draining():
            raise Handover(messages)
        state = await self._small(work, messages)
        said: list[BaseMessage] = []
        message = await self._answered(work, state, said)
        if work.light and message.tool_calls and (work.control.draining() or self._must_be_held(message)):
            raise Handover([*state, *said], message)
        smaller = [] if state is messages else [RemoveMessage(id=REMOVE_ALL_MESSAGES), *state]
        return [*smaller, *said, message]

    def _must_be_held(self, message: AIMessage) -> bool:
        return any(call["name"] in self._holds for call in message.tool_calls)

    async def _answered(self, work: Work, state: Sequence[BaseMessage], said: list[BaseMessage]) -> AIMessage:
        """The model's message; `said` gets what comes before it."""
        empty = False
        for _ in range(REPAIRS + 1):
            await self._before(work)
            await self._take_in(work, state, said)
            message = await self._ask(work, [*state, *said])
            if message.tool_calls:
                return message
            if message.invalid_tool_calls:
                said += [message, *repair.malformed(message)]
                continue
            if message.text.strip():
                return message
            if empty:
                break
            empty = True
        return AIMessage(NOTHING_SAID)

    async def _take_in(self, work: Work, state: Sequence[BaseMessage], said: list[BaseMessage]) -> None:
        arrived = await work.control.arrivals()
        if arrived:
            there = {message.id for message in (*state, *said)}
            new = {question.event: question for question in arrived if question.event not in there}
            said += map(prompt.kept, new.values())

    async def _before(self, work: Work) -> None:
        await work.control.before_step()
        budget = work.segment.budget
        if work.model_calls >= budget.model_calls:
            raise BudgetSpent("this took more steps of thinking than one task may take")
        if work.input_tokens + work.output_tokens >= budget.tokens:
            raise BudgetSpent("this took more words than one task may take")

    async def _ask(self, work: Work, messages: Sequence[BaseMessage]) -> AIMessage:
        reply = await self._call(work, [*work.before, *await self._shown(work, messages)], self._declared)
        calls = [given.call for given in work.segment.answers]
        return repair.with_new_id(repair.with_own_ids(reply, taken=messages, calls=calls))

    async def _call(self, work: Work, messages: Sequence[BaseMessage], tools: Sequence[BaseTool]) -> AIMessage:
        reply = await self._models.call(messages=messages, tools=tools)
        work.model = reply.model
        work.model_calls += 1
        if usage := reply.message.usage_metadata:
            work.input_tokens += usage["input_tokens"]
            work.output_tokens += usage["output_tokens"]
        return reply.message

    async def _shown(self, work: Work, messages: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
        """The messages with the person's files in them, read once in a segment."""
        given: list[BaseMessage] = []
        for message in messages:
            if not message.additional_kwargs or message.type != "human":
                given.append(message)
                continue
            key = message.id or ""
            if key not in work.shown:
                files = work.segment.question.context("").files
                work.shown[key] = await prompt.shown(message, files=files)
            given.append(work.shown[key])
        return prompt.joined(given) if len(given) > 1 else given

    async def _small(self, work: Work, state: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
        async def summarise(before: str, steps: str) -> str:
            await self._before(work)
            try:
                reply = await self._call(work, prompt.to_shorten(before=before, steps=steps), ())
            except (ModelUnavailable, Permanent):
                return ""
            return reply.text.strip()

        small = await compaction.compact(state, summarise=summarise)
        if small is not state:
            work.shown.clear()
        return small

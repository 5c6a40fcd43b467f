"""A segment of a run: from its beginning or an accepted checkpoint to an answer, to questions, or until it is drained.

Importing this takes seconds (LangGraph): `shared.agent.assistant` does so in a thread.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage, BaseMessage, RemoveMessage
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphDrained
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import RunControl
from langgraph.types import Command

from shared import telemetry
from shared.agent import afresh, arguments, asked, history, hooks, kept_files, prompt
from shared.agent.approval import Approval
from shared.agent.effects import Effects
from shared.agent.flushes import Flushes
from shared.agent.gate import Gate
from shared.agent.model_call import AskModel
from shared.agent.models import Models
from shared.agent.saver import SegmentSaver
from shared.agent.stand_ins import Nominal, declare
from shared.agent.turn import Answer, Asked, Control, Given, Outcome, Permission, Pointer, Segment
from shared.agent.work import Handover, State, Work
from shared.ports import Checkpoints, Json, Tool

STEPS = 25_000
"""Of the graph, two for each step of the agent. The budget ends a run long before."""

_log = telemetry.logger(__name__)


Graph = CompiledStateGraph[State, Work, Any, Any]


@dataclass(frozen=True, slots=True)
class Agent:
    """The graph for a set of tools, with its saver and, for as long as a run only reads, without; and its model's step."""

    graph: Graph
    light: Graph
    model: AskModel
    saver: SegmentSaver
    tools: Mapping[str, Tool]
    middleware: Sequence[AgentMiddleware[State, Work]]


def build(*, models: Models, tools: Sequence[Tool]) -> Agent:
    """Build the agent. It takes milliseconds, so it is kept."""
    hooks.run_inline()
    declared = declare(tools)
    by_name = {tool.name: tool for tool in tools}
    saver = SegmentSaver()
    model = AskModel(models=models, tools=by_name, declared=declared)
    middleware: list[AgentMiddleware[State, Work]] = [
        model,
        Gate(tools=by_name),
        Approval(tools=by_name),
        Effects(tools=by_name),
    ]
    light = create_agent(Nominal(), declared, middleware=middleware, context_schema=Work)
    graph = create_agent(Nominal(), declared, middleware=middleware, context_schema=Work, checkpointer=saver)
    return Agent(graph=graph, light=light, model=model, saver=saver, tools=by_name, middleware=middleware)


async def work(*, agent: Agent, checkpoints: Checkpoints, segment: Segment, control: Control) -> Outcome:
    """Work on one segment. Raises what `Assistant.work` says."""
    here = f"{segment.thread}#{uuid.uuid4().hex}"
    question = segment.question
    system = prompt.system(channel=question.channel, summary=question.summary)
    task = asyncio.current_task()
    assert task is not None
    at_work = Work(
        segment=segment,
        control=control,
        saver=agent.saver,
        here=here,
        flushes=Flushes(
            held=agent.saver, here=here, checkpoints=checkpoints, name=segment.thread, accepted=segment.accepted
        ),
        drain=RunControl(),
        before=[system, *history.messages(question.history)],
        task=task,
    )
    try:
        outcome = await _Segment(agent, at_work).run()
        await at_work.flushes.tidied()
        return outcome
    finally:
        agent.saver.threads.pop(here, None)


class _Segment:
    """One segment on the graph."""

    def __init__(self, agent: Agent, at_work: Work) -> None:
        self._agent = agent
        self._work = at_work
        self._config: RunnableConfig = {"configurable": {"thread_id": at_work.here}, "recursion_limit": STEPS}

    async def run(self) -> Outcome:
        work = self._work
        try:
            state = await self._to_its_end()
        except GraphDrained:
            return Outcome(cost=work.cost(), pointer=await work.flushes.flush())
        if questions := self._asked():
            return Outcome(cost=work.cost(), asked=questions, pointer=await work.flushes.flush())
        return Outcome(cost=work.cost(), answer=self._answer(state))

    async def _to_its_end(self) -> Json:
        accepted, words = self._work.segment.accepted, self._work.segment.afresh
        if accepted is None:
            return await self._begin([prompt.kept(self._work.segment.question)])
        if words:
            found = await self._work.flushes.load(accepted)
            messages = await afresh.whole(found, ledger=self._work.control.ledger, words=words)
            return await self._begin(messages)
        await self._seed(accepted)
        self._work.look_around()
        return await self._resume()

    async def _begin(self, messages: Sequence[BaseMessage]) -> Json:
        """Work without a saver until something must be held, if it ever must: then go on with one from there.

        A model that calls no tool needs no graph either: it would be two thirds of a short turn.
        """
        work = self._work
        work.light = not work.control.draining()
        if work.light:
            try:
                messages = _with(messages, await self._agent.model.step(work, messages))
                last = messages[-1]
                if not isinstance(last, AIMessage) or not last.tool_calls:
                    return {"messages": messages}
                work.ready, messages = last, messages[:-1]
                state: Json = await self._agent.light.ainvoke(
                    {"messages": messages}, {"recursion_limit": STEPS}, context=work, control=work.drain
                )
                return state
            except Handover as over:
                work.light, work.ready, messages = False, over.message, over.messages
        if not work.ready:  # which is in no state yet
            work.look_around()
        return await self._invoke({"messages": messages})

    async def _seed(self, accepted: Pointer) -> None:
        """Hold the accepted checkpoint, and what was decided about its calls."""
        work = self._work
        work.saver.seed(work.here, await work.flushes.load(accepted))
        for waiting in work.waiting():
            first = waiting.answered[0] if waiting.answered else waiting.value
            approval = first["type"] in (*arguments.APPROVALS, "respond", "tool_approval")
            work.permissions[waiting.value["tool_call_id"]] = Permission.ASK if approval else Permission.ALLOW
        for given in work.segment.answers:
            if given.index == 0 and given.call not in work.permissions:
                settled = given.value.get("type") in arguments.SETTLEMENTS
                work.permissions[given.call] = Permission.ALLOW if settled else Permission.ASK

    async def _resume(self) -> Json:
        """Go on, with one recorded answer after the other. Questions without an answer simply ask again."""
        used: set[tuple[str, int]] = set()
        given = self._next_answer(used)
        state = None if given else await self._invoke(None)
        while given := given or self._next_answer(used):
            used.add((given.interrupt, given.index))
            state = await self._invoke(Command(resume={given.interrupt: self._value(given)}))
            given = None
        assert state is not None
        return state

    def _next_answer(self, used: set[tuple[str, int]]) -> Given | None:
        open_ = {(one.interrupt, one.index): one for one in self._asked()}
        for given in self._work.segment.answers:
            question = open_.get((given.interrupt, given.index))
            if question is None or (given.interrupt, given.index) in used:
                continue
            if wrong := arguments.check_answer(
                self._agent.tools.get(question.tool), kind=question.kind, value=given.value
            ):
                # The graph would fail with it, and cut what runs beside: the question stays open instead.
                _log.error("a recorded answer cannot be used", extra={"fields": {"tool": question.tool, "why": wrong}})
                continue
            return given
        return None

    def _value(self, given: Given) -> Json:
        """The answer as the library takes it."""
        changed = arguments.edited(given.value) if given.value.get("type") == "edit" else None
        if changed is None:
            return given.value
        tool = next(one.tool for one in self._asked() if one.interrupt == given.interrupt)
        return {"type": "edit", "edited_action": {"name": tool, "args": dict(changed)}}

    async def _invoke(self, given: Any) -> Json:
        state: Json = await self._agent.graph.ainvoke(
            given, self._config, context=self._work, durability="sync", control=self._work.drain
        )
        return state

    def _asked(self) -> list[Asked]:
        return [asked.asked(one, tools=self._agent.tools) for one in self._work.waiting()]

    def _answer(self, state: Json) -> Answer:
        cost, messages = self._work.cost(), state["messages"]
        return Answer(
            text=messages[-1].text.strip(),
            attachments=tuple(kept_files.outgoing(messages)),
            model=cost.model,
            model_calls=cost.model_calls,
            tool_calls=cost.tool_calls,
            input_tokens=cost.input_tokens,
            output_tokens=cost.output_tokens,
        )


def _with(messages: Sequence[BaseMessage], result: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The state after a step, as the graph would make it."""
    return list(result[1:]) if isinstance(result[0], RemoveMessage) else [*messages, *result]

"""Asks the person about calls: LangChain's human-in-the-loop middleware, one question for each call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain.agents.middleware import AgentMiddleware, AgentState, HumanInTheLoopMiddleware, InterruptOnConfig
from langchain_core.messages import ToolMessage
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import Command

from shared.agent import work
from shared.agent.turn import Permission
from shared.agent.work import RunTool, State, Work
from shared.ports import Asking, Tool

CHANGED = "The person changed this call before it was made, on purpose. Do not make your original call again."
REJECTED = "The person said no to this: it was not done. Do not call it again unless they ask for it."


class Approval(HumanInTheLoopMiddleware[State, Work, Any]):
    """Asks where the gate said so. A tool that is Asking is answered by the person and never called."""

    # Unset, because each of these hooks would be a node of the graph, and a step in every turn.
    after_model = AgentMiddleware.after_model
    aafter_model = AgentMiddleware.aafter_model
    state_schema = AgentState  # type: ignore[assignment]  # in per_call mode its own field stays unused

    def __init__(self, *, tools: Mapping[str, Tool]) -> None:
        super().__init__(
            {name: _asks(tool) for name, tool in tools.items()}, edit_notice=CHANGED, interrupt_mode="per_call"
        )

    async def awrap_tool_call(self, request: ToolCallRequest, handler: RunTool) -> ToolMessage | Command[Any]:
        """Ask, and go on with the answer, in our own words where it was no."""
        called = False

        async def call(approved: ToolCallRequest) -> ToolMessage | Command[Any]:
            nonlocal called
            called = True
            return await handler(approved)

        result = await super().awrap_tool_call(request, call)
        if called or not isinstance(result, ToolMessage) or result.status != "error":
            return result
        reason = _reason(work.of(request), str(request.tool_call["id"]))
        return work.told(request.tool_call, f"{REJECTED} They said: {reason}" if reason else REJECTED)


def _asks(tool: Tool) -> InterruptOnConfig:
    return InterruptOnConfig(
        allowed_decisions=["respond"] if isinstance(tool, Asking) else ["approve", "edit", "reject"],
        description="",
        when=_is_asked,
    )


def _is_asked(request: ToolCallRequest) -> bool:
    return work.of(request).permissions.get(str(request.tool_call["id"])) is Permission.ASK


def _reason(at_work: Work, call: str) -> str:
    given = [one.value for one in at_work.segment.answers if one.call == call and one.index == 0]
    return str(given[-1].get("message") or "") if given else ""

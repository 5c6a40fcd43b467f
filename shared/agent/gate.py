"""The first thing that a tool call passes: is the run still ours, did the person say something new, may it be done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import ToolMessage
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import Command

from shared.agent import arguments, work
from shared.agent.turn import Permission, Stopped
from shared.agent.work import Handover, RunTool, State, Work
from shared.ports import Asking, Effect, Tool

SKIPPED = (
    "This was not done: the person wrote something new before it began. Read their message first, and call again only if"
    " it is still wanted."
)
DENIED = "This may not be done here, and was not done. Do not call it again: tell the person that it is not allowed."


class Gate(AgentMiddleware[State, Work]):
    """Decides once for each call whether it goes on, and keeps that."""

    def __init__(self, *, tools: Mapping[str, Tool]) -> None:
        super().__init__()
        self._tools = tools

    async def awrap_tool_call(self, request: ToolCallRequest, handler: RunTool) -> ToolMessage | Command[Any]:
        """Outermost of its kind. It runs again with its call after every answer."""
        at_work = work.of(request)
        try:
            await at_work.control.before_step()
            refused = await self._refused(at_work, request)
            if refused is not None:
                return work.told(request.tool_call, refused)
            result = await handler(request)
        except Stopped:
            at_work.stopped = True
            raise
        at_work.look_around()
        return result

    async def _refused(self, at_work: Work, request: ToolCallRequest) -> str | None:
        call = request.tool_call
        tool = self._tools.get(call["name"])
        if tool is None:
            return f"There is no tool named {call['name']!r}. There are: {', '.join(self._tools)}."
        if call["id"] in at_work.permissions:
            return None
        if wrong := arguments.check_arguments(tool, call["args"]):
            return f"The arguments are wrong, nothing was done. {wrong}"
        permission = at_work.control.permission(tool=call["name"], effect=tool.effect, arguments=call["args"])
        waiting = at_work.control.waiting()
        if (waiting or permission is not Permission.ALLOW) and await self._begun(at_work, tool, request):
            # It was allowed when it began, and what came of it has to be told, whatever is wanted now.
            permission = Permission.ALLOW
        elif waiting:
            return SKIPPED
        elif permission is Permission.DENY:
            return DENIED
        elif isinstance(tool, Asking):
            permission = Permission.ASK
        if permission is Permission.ASK and at_work.light:
            *messages, message = request.state["messages"]
            raise Handover(messages, message)
        at_work.permissions[str(call["id"])] = permission
        return None

    async def _begun(self, at_work: Work, tool: Tool, request: ToolCallRequest) -> bool:
        if tool.effect is Effect.READ:
            return False
        message, position = work.place(request.state["messages"], request.tool_call)
        return await at_work.control.ledger.find(key=f"{message}:{position}") is not None

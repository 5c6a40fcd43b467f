"""What a segment carries through the graph, and what its middleware shares."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from langchain.agents.middleware import AgentState, ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, BaseMessage, ToolCall, ToolMessage
from langgraph.errors import GraphBubbleUp
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.runtime import RunControl
from langgraph.types import Command

from shared.agent import arguments, kept_files
from shared.agent.flushes import Flushes
from shared.agent.saver import SegmentSaver, Waiting
from shared.agent.turn import Control, Cost, Permission, Segment
from shared.ports import ToolContext

UNCERTAIN = "uncertain"
"""The type of the interrupt that asks about an effect of which nobody knows whether it happened."""

State = AgentState[Any]
CallNext = Callable[[ModelRequest["Work"]], Awaitable[ModelResponse[Any]]]
RunTool = Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]


class Handover(GraphBubbleUp):
    """From here on the state must be held: the graph without a saver hands over to the one that has it."""

    def __init__(self, messages: Sequence[BaseMessage], message: AIMessage | None = None) -> None:
        """`messages` is the state, `message` what the model has just said on top of it."""
        super().__init__()
        self.messages = messages
        self.message = message


@dataclass(slots=True)
class Work:
    """One segment at work."""

    segment: Segment
    control: Control
    saver: SegmentSaver
    here: str
    """The segment's thread in the saver."""
    flushes: Flushes
    drain: RunControl
    before: Sequence[BaseMessage]
    """The system prompt and the history. They stand here because the graph handles each message of its state again and
    again, in every step."""
    task: asyncio.Task[Any]
    """Whoever cancels the segment cancels this one."""
    permissions: dict[str, Permission] = field(default_factory=dict)
    """By the id of the tool call: decided once and kept."""
    shown: dict[str, BaseMessage] = field(default_factory=dict)
    """The person's messages with the content of their files, by id."""
    light: bool = False
    """True while a run that has only read so far works without a saver, which would be an eighth of a short turn."""
    ready: AIMessage | None = None
    """What the model said when the graph with the saver took over."""
    stopped: bool = False
    model: str = ""
    model_calls: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def cost(self) -> Cost:
        """What the segment took so far."""
        return Cost(
            model=self.model,
            model_calls=self.model_calls,
            tool_calls=self.tool_calls,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
        )

    def look_around(self) -> None:
        """Between two steps: let the graph stop before the next one where the segment should end."""
        if not self.light and self.control.draining():
            self.drain.request_drain("the segment's time is over")

    def is_cut(self) -> bool:
        """True when the person stopped the run or whoever runs it gave up: what is in flight is not waited for."""
        return self.stopped or self.task.cancelling() > 0

    def waiting(self) -> Sequence[Waiting]:
        """The questions at which calls stopped."""
        return self.saver.waiting(self.here) if self.here in self.saver.threads else ()

    def in_doubt(self, call: str) -> bool:
        """True when the person was asked about the outcome of this call."""
        asked = any(one.value["tool_call_id"] == call and one.value["type"] == UNCERTAIN for one in self.waiting())
        return asked or any(
            given.call == call and given.value.get("type") in arguments.SETTLEMENTS for given in self.segment.answers
        )

    def answered(self, call: str, index: int) -> bool:
        """True when the person answered this question of the call."""
        return any(given.call == call and given.index == index for given in self.segment.answers)

    def context(self, position: str, messages: Sequence[BaseMessage]) -> ToolContext:
        """What a tool call may lean on. It can read the files of the whole run."""
        context = self.segment.question.context(position)
        more = [one for one in kept_files.readable(messages) if one not in context.attachments]
        return replace(context, attachments=(*context.attachments, *more)) if more else context


def of(request: ToolCallRequest) -> Work:
    """The segment that a tool call belongs to."""
    return cast(Work, request.runtime.context)  # the library's type of it is unknown at this point


def place(messages: Sequence[BaseMessage], call: ToolCall) -> tuple[str, int]:
    """Where a tool call stands: the id of its AI message, which is our own, and its position in that."""
    spoken = next(message for message in reversed(messages) if isinstance(message, AIMessage))
    return spoken.id or "", next(n for n, other in enumerate(spoken.tool_calls) if other["id"] == call["id"])


def told(call: ToolCall, words: str, *, error: bool = True) -> ToolMessage:
    """What the model is told in place of a result."""
    return ToolMessage(words, tool_call_id=call["id"], name=call["name"], status="error" if error else "success")

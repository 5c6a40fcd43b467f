"""Mends what models return: ids that are missing or taken, tool calls that cannot be read."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from langchain_core.messages import AIMessage, BaseMessage, InvalidToolCall, ToolCall, ToolMessage


def with_own_ids(message: AIMessage, *, taken: Sequence[BaseMessage], calls: Iterable[str] = ()) -> AIMessage:
    """The message with ids that nothing before it has: some services send none, or the same again and again.

    LangGraph replaces a message by one of the same id, and a call is found by its id. `calls` are more ids of calls
    that are taken.
    """
    used = {other.id for other in taken} | {""} | set(calls)
    used |= {call["id"] for other in taken if isinstance(other, AIMessage) for call in other.tool_calls}

    def own(id: str | None) -> str:
        kept = id if id and id not in used else f"own-{uuid.uuid4().hex}"
        used.add(kept)
        return kept

    good = [ToolCall(**{**call, "id": own(call["id"])}) for call in message.tool_calls]
    broken = [InvalidToolCall(**{**call, "id": own(call["id"])}) for call in message.invalid_tool_calls]
    return message.model_copy(update={"id": own(message.id), "tool_calls": good, "invalid_tool_calls": broken})


def with_new_id(message: AIMessage) -> AIMessage:
    """The message under an id that no message ever had, not even one that a long run has long summarised."""
    return message.model_copy(update={"id": f"own-{uuid.uuid4().hex}"})


def malformed(message: AIMessage) -> list[ToolMessage]:
    """What the model is told about its tool calls that could not be read."""
    return [
        ToolMessage(
            f"Nothing was done: the arguments were not valid JSON ({len(call['args'] or '')} characters). "
            "Call again with a complete JSON object.",
            tool_call_id=call["id"] or "",
            name=call["name"],
            status="error",
        )
        for call in message.invalid_tool_calls
    ]

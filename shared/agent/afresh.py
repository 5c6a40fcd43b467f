"""Goes on in a new thread, because the agent is another one now: the old messages, made whole, are its beginning."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, ToolCall, ToolMessage
from langgraph.checkpoint.base import CheckpointTuple

from shared.agent import doubt, work
from shared.agent.turn import Ledger

MESSAGES = "messages"


async def whole(accepted: CheckpointTuple, *, ledger: Ledger, words: str) -> list[BaseMessage]:
    """The messages of a checkpoint, each tool call with a result, so that nothing that was done is done again.

    The result is what the call returned, what the ledger knows of it, or `words` where it never began.
    """
    messages: Sequence[BaseMessage] = accepted.checkpoint["channel_values"].get(MESSAGES, [])
    late = [
        message
        for _, channel, value in accepted.pending_writes or ()
        if channel == MESSAGES
        for message in (value if isinstance(value, list) else [value])
        if isinstance(message, ToolMessage)
    ]
    results = {one.tool_call_id: one for one in (*late, *messages) if isinstance(one, ToolMessage)}
    made: list[BaseMessage] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            continue
        made.append(message)
        if isinstance(message, AIMessage):
            calls = [*message.tool_calls, *message.invalid_tool_calls]
            for position, call in enumerate(calls):
                found = results.get(str(call["id"]))
                made.append(found or await _missing(message, position, ledger=ledger, words=words))
    return made


async def _missing(message: AIMessage, position: int, *, ledger: Ledger, words: str) -> ToolMessage:
    if position >= len(message.tool_calls):
        broken = message.invalid_tool_calls[position - len(message.tool_calls)]
        return ToolMessage(words, tool_call_id=broken["id"] or "", name=broken["name"], status="error")
    call: ToolCall = message.tool_calls[position]
    row = await ledger.find(key=f"{message.id}:{position}")
    if row is None:
        return work.told(call, words)
    return doubt.known(row, call=call) or work.told(call, doubt.NOBODY_KNOWS)

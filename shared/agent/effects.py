"""Calls tools. One that writes is recorded before it leaves and after it came back, so that it never happens twice."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import ToolCall, ToolMessage
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import Command
from pydantic import BaseModel

from shared import telemetry
from shared.agent import arguments, doubt, observed, results, work
from shared.agent.turn import Effected, Pointer
from shared.agent.work import RunTool, State, Work
from shared.conversation.states import EffectState
from shared.messages import LeaseLost, OutcomeUnknown, QueueUnavailable, StoreUnavailable
from shared.ports import Describing, Effect, Json, Repeatable, Tool, ToolContext, ToolError, ToolResult

SECONDS = 30.0
"""How long one call may take."""
RECORDING = 1.0
"""Seconds that a call which was cut has to be recorded as uncertain."""
BUG = "This failed for a reason inside Praxos, which its operators can see in the log. Tell the person that it did not work."

_log = telemetry.logger(__name__)


@dataclass(slots=True)
class Call:
    """A call of a tool, checked."""

    asked: ToolCall
    tool: Tool
    checked: BaseModel
    key: str
    context: ToolContext
    back: bool = False
    """True once the tool has returned: what is left is to record it."""

    @property
    def id(self) -> str:
        """The tool call's id."""
        return str(self.asked["id"])

    @property
    def repeatable(self) -> bool:
        """True when a second call with the same key comes to the same as one."""
        return isinstance(self.tool, Repeatable) and self.tool.repeatable

    @property
    def fingerprint(self) -> str:
        """A hash of the arguments."""
        return arguments.fingerprint(self.asked["args"])


class Effects(AgentMiddleware[State, Work]):
    """Innermost of its kind: it calls the tool itself, so that the library's own error texts reach nobody."""

    def __init__(self, *, tools: Mapping[str, Tool]) -> None:
        super().__init__()
        self._tools = tools

    async def awrap_tool_call(self, request: ToolCallRequest, handler: RunTool) -> ToolMessage | Command[Any]:
        """Call the tool, or find out what became of the call."""
        at_work, asked = work.of(request), request.tool_call
        tool = self._tools[asked["name"]]
        if wrong := arguments.check_arguments(tool, asked["args"]):  # a person can have changed them
            return work.told(asked, f"The arguments are wrong, nothing was done. {wrong}")
        message, position = work.place(request.state["messages"], asked)
        call = Call(
            asked=asked,
            tool=tool,
            checked=tool.arguments.model_validate(asked["args"]),
            key=f"{message}:{position}",
            context=at_work.context(f"{message}.{position}", request.state["messages"]),
        )
        return await (_read(at_work, call) if tool.effect is Effect.READ else _write(at_work, call))


async def _read(at_work: Work, call: Call) -> ToolMessage:
    """Call a tool that only reads; once more where it was too slow or the store away."""
    await _show(at_work, call)
    for last in (False, True):
        try:
            result = await _called(call)
        except ToolError as error:
            return work.told(call.asked, str(error))
        except TimeoutError:
            _log.warning("a tool took too long", extra={"fields": {"tool": call.tool.name}})
            if last:
                return work.told(call.asked, "It took too long and was stopped.")
        except StoreUnavailable:
            if last:
                raise
        except (LeaseLost, QueueUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  a bug of one tool must not end the run
            _report(call, error)
            return work.told(call.asked, BUG)
        else:
            kept = await results.kept(result, tool=call.tool.name, context=call.context)
            return results.message(kept, call=call.asked)
    raise AssertionError("the second attempt always ends")


async def _called(call: Call) -> ToolResult:
    with observed.tool_call(call.tool, call=call.id):
        async with asyncio.timeout(SECONDS):
            return await call.tool.call(arguments=call.checked, context=call.context)


async def _write(at_work: Work, call: Call) -> ToolMessage:
    """Call a tool that changes something, unless it was called before: then say what came of it, or ask."""
    found = await at_work.control.ledger.find(key=call.key)
    attempt, quietly = 1, call.repeatable and not at_work.in_doubt(call.id)
    if found is not None:
        same = found.arguments == call.fingerprint
        if same and (known := doubt.known(found, call=call.asked)):
            return known
        if same and quietly:
            attempt = found.attempt
        else:
            decided = await doubt.settle(at_work, call, found)
            if isinstance(decided, ToolMessage):
                return decided
            attempt, quietly = decided, False
    while True:
        result = await _attempt(at_work, call, attempt)
        if isinstance(result, ToolMessage):
            return result
        if quietly:
            quietly = False
            continue
        decided = await doubt.settle(at_work, call, result)
        if isinstance(decided, ToolMessage):
            return decided
        attempt = decided


async def _attempt(at_work: Work, call: Call, attempt: int) -> ToolMessage | Effected:
    """Record, call, record: the result, or what is known where the outcome is uncertain."""
    await _show(at_work, call)

    async def start(pointer: Pointer) -> None:
        await at_work.control.ledger.start(
            key=call.key,
            tool=call.tool.name,
            effect=call.tool.effect,
            arguments=call.fingerprint,
            attempt=attempt,
            pointer=pointer,
        )

    await at_work.flushes.accept(start)
    call.back = False
    doing = asyncio.create_task(_carry_out(at_work, call, attempt))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await _end(at_work, call, doing)
        raise


async def _end(at_work: Work, call: Call, doing: asyncio.Task[ToolMessage | Effected]) -> None:
    """A call that has left is waited for when another one beside it failed; it is cut when the run itself is."""
    loop = asyncio.get_running_loop()
    until = loop.time() + SECONDS + RECORDING
    while not doing.done() and loop.time() < until:
        if at_work.is_cut():
            until = min(until, loop.time() + RECORDING)
            if not call.back:
                doing.cancel()
        with suppress(asyncio.CancelledError):  # the graph cancels a task more than once
            await asyncio.wait({doing}, timeout=until - loop.time())
    doing.cancel()
    await asyncio.gather(doing, return_exceptions=True)


async def _carry_out(at_work: Work, call: Call, attempt: int) -> ToolMessage | Effected:
    try:
        result = await _called(call)
    except ToolError as error:
        await _finish(at_work, call, EffectState.NOT_DONE, why=str(error))
        return work.told(call.asked, str(error))
    except asyncio.CancelledError:
        with suppress(Exception):
            async with asyncio.timeout(RECORDING):
                await _finish(at_work, call, EffectState.UNCERTAIN, why=doubt.CUT)
        raise
    except LeaseLost:
        raise
    except Exception as error:
        if isinstance(error, StoreUnavailable | QueueUnavailable) and call.repeatable:
            raise
        why = _why(call, error)
        await _finish(at_work, call, EffectState.UNCERTAIN, why=why)
        return Effected(state=EffectState.UNCERTAIN, attempt=attempt, arguments=call.fingerprint, why=why)
    call.back = True
    kept = await results.kept(result, tool=call.tool.name, context=call.context)
    await _finish(at_work, call, EffectState.DONE, result=kept)
    return results.message(kept, call=call.asked)


async def _finish(at_work: Work, call: Call, state: EffectState, *, result: Json | None = None, why: str = "") -> None:
    try:
        await at_work.control.ledger.finish(key=call.key, state=state, result=result or {}, why=why)
    except StoreUnavailable:  # once more: what is not recorded has to be asked about
        await at_work.control.ledger.finish(key=call.key, state=state, result=result or {}, why=why)


async def _show(at_work: Work, call: Call) -> None:
    at_work.tool_calls += 1
    tool = call.tool
    await at_work.control.progress(
        tool.doing(arguments=call.checked) if isinstance(tool, Describing) else tool.progress
    )


def _why(call: Call, error: Exception) -> str:
    if isinstance(error, TimeoutError):
        _log.warning("a tool took too long", extra={"fields": {"tool": call.tool.name}})
        return doubt.SLOW
    if isinstance(error, OutcomeUnknown | StoreUnavailable | QueueUnavailable):
        return doubt.LOST
    _report(call, error)
    return doubt.BROKEN


def _report(call: Call, error: Exception) -> None:
    # The exception's own words can hold what a person wrote: the log gets its type and where it came from.
    where = "".join(traceback.format_tb(error.__traceback__))
    fields = {"tool": call.tool.name, "error": type(error).__name__, "traceback": where}
    _log.error("a tool failed", extra={"fields": fields})

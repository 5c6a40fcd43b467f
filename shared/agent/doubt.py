"""Effects that were called before: what is known of them, and what the person wants where nobody knows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from langchain_core.messages import ToolCall, ToolMessage
from langgraph.types import interrupt

from shared import telemetry
from shared.agent import results, work
from shared.agent.turn import Effected, Permission
from shared.agent.work import UNCERTAIN, Work
from shared.conversation.states import EffectState
from shared.messages import LeaseLost, StoreUnavailable
from shared.ports import Checkable, ToolResult

if TYPE_CHECKING:
    from shared.agent.effects import Call

CHECKING = 30.0
"""Seconds that a tool has to find out whether an earlier call was done."""

CUT = "it was interrupted while it was being done"
SLOW = "it took too long, and no answer came back"
LOST = "the answer got lost on the way"
BROKEN = "it broke off in the middle"
OTHER = "it was recorded with other details"
DROPPED = (
    "Nobody knows whether this was done, and the person wants it left at that. Do not call it again, and do not say that"
    " it was done or that it was not."
)
NOBODY_KNOWS = (
    "Nobody knows whether this was done. Do not call it again: tell the person that it may or may not have happened and"
    " ask what to do."
)
CHECKED = "It was looked up: this was not done. Call it again only if the person still wants it."

_log = telemetry.logger(__name__)


def known(found: Effected, *, call: ToolCall) -> ToolMessage | None:
    """What the model is told of a call that was made before; None where nobody knows what came of it."""
    if found.state is EffectState.DONE:
        return results.message(found.result, call=call)
    if found.state is EffectState.NOT_DONE:
        return work.told(call, found.why or "This was not done.")
    return work.told(call, DROPPED) if found.state is EffectState.DROPPED else None


async def settle(at_work: Work, call: Call, found: Effected) -> ToolMessage | int:
    """Ask the person, as often as it takes: what the model is told, or the number of the attempt that they want.

    This runs from its beginning after every answer and is given the earlier ones again. So a `repeat` counts only when
    that attempt was not made yet: there is one more attempt than there were repeats.
    """
    if found.state is EffectState.STARTED:
        await at_work.control.ledger.finish(key=call.key, state=EffectState.UNCERTAIN, result={}, why=CUT)
    asked = 1 if at_work.permissions.get(call.id) is Permission.ASK else 0
    attempt, looked = 1, False
    while True:
        answer = interrupt(_question(call, found, looked=looked))
        asked += 1
        if answer["type"] == "drop":
            await at_work.control.ledger.finish(key=call.key, state=EffectState.DROPPED, result={}, why=found.why)
            return work.told(call.asked, DROPPED)
        if answer["type"] == "repeat":
            if attempt >= found.attempt:
                return found.attempt + 1
            attempt, looked = attempt + 1, False
            continue
        looked = True
        if not at_work.answered(call.id, asked) and (seen := await _look(at_work, call)):
            return seen


async def _look(at_work: Work, call: Call) -> ToolMessage | None:
    """Let the tool find out; None where it cannot."""
    if not isinstance(call.tool, Checkable):
        return None
    try:
        async with asyncio.timeout(CHECKING):
            result: ToolResult | None = await call.tool.check(arguments=call.checked, context=call.context)
    except (LeaseLost, StoreUnavailable):
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, nobody knows more than before
        _log.warning("a look at an effect failed", extra={"fields": {"error": type(error).__name__}})
        return None
    ledger = at_work.control.ledger
    if result is None:
        await ledger.finish(key=call.key, state=EffectState.NOT_DONE, result={}, why=CHECKED)
        return work.told(call.asked, CHECKED)
    kept = await results.kept(result, tool=call.tool.name, context=call.context)
    await ledger.finish(key=call.key, state=EffectState.DONE, result=kept)
    return results.message(kept, call=call.asked)


def _question(call: Call, found: Effected, *, looked: bool) -> dict[str, Any]:
    why = found.why or CUT
    if found.arguments != call.fingerprint:
        why = OTHER
    return {
        "type": UNCERTAIN,
        "tool_call_id": call.id,
        "name": call.asked["name"],
        "args": call.asked["args"],
        "why": why,
        "looked": looked,
    }

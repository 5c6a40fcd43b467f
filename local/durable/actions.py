"""What an orchestrator function returns: the state of its execution and every action it has taken so far.

The JSON is that of `azure.durable_functions.models.OrchestratorState` and its actions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.messages import Refused

IN_EXCEPTION = "$OutOfProcData$:"
"""What stands in the message of an orchestrator's exception before its state (`TaskOrchestrationExecutor`)."""


class ActionType(IntEnum):
    """`azure.durable_functions.models.actions.ActionType`: what this engine does."""

    CALL_ACTIVITY = 0
    CALL_ACTIVITY_WITH_RETRY = 1
    CONTINUE_AS_NEW = 4
    CREATE_TIMER = 5
    WAIT_FOR_EXTERNAL_EVENT = 6
    WHEN_ANY = 11
    WHEN_ALL = 12


_REFUSED = {
    2: "sub-orchestrations (call_sub_orchestrator)",
    3: "sub-orchestrations (call_sub_orchestrator_with_retry)",
    7: "entities (call_entity)",
    8: "call_http",
    9: "entities (signal_entity)",
    10: "entities (scheduled signals)",
}


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class RetryOptions(_Model):
    """How often, and how long apart: the two options that the Python library has."""

    first_ms: int = Field(alias="firstRetryIntervalInMilliseconds", gt=0)
    attempts: int = Field(alias="maxNumberOfAttempts")


class Action(_Model):
    """One action; which fields count is said by its type."""

    type: int = Field(alias="actionType")
    function: str = Field("", alias="functionName")
    input: Any = None
    retry: RetryOptions | None = Field(None, alias="retryOptions")
    fire_at: str = Field("", alias="fireAt")
    cancelled: bool = Field(False, alias="isCanceled")
    event: str = Field("", alias="externalEventName")
    parts: tuple[Action, ...] = Field((), alias="compoundActions")


class _State(_Model):
    is_done: bool = Field(alias="isDone")
    schema_version: int = Field(0, alias="schemaVersion")
    actions: tuple[tuple[Action, ...], ...]
    output: Any = None
    error: str = ""
    custom_status: Any = Field(None, alias="customStatus")


@dataclass(frozen=True, slots=True)
class Returned:
    """What an orchestrator function said: its actions from the first on, and whether it ended, and how."""

    actions: tuple[Action, ...]
    done: bool
    output: Any
    error: str
    custom_status: Any


def returned(text: str) -> Returned:
    """Read what the function returned. Raises Refused, naming what this engine does not do or what is malformed."""
    try:
        state = _State.model_validate_json(text)
    except ValidationError as error:
        first: Any = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise Refused(
            f"The orchestrator returned what is no state of an orchestration: {place}: {first['msg']}"
        ) from None
    # From the second schema on, one list inside the list; the worker takes that one wherever it is offered.
    if state.schema_version == 0 or len(state.actions) != 1:
        raise Refused(f"the local host implements no actions of schema {state.schema_version}")
    for action in state.actions[0]:
        _refuse(action)
    return Returned(state.actions[0], state.is_done, state.output, state.error, state.custom_status)


def raised(error: Exception) -> Returned:
    """Read what a function that raised had done until then. Raises Refused where it does not say so."""
    message, found, text = str(error).partition(IN_EXCEPTION)
    if not found:
        raise Refused(message or type(error).__name__)
    return returned(text)


def as_json(value: Any) -> str | None:
    """A value as the payload of a message; nothing for nothing."""
    return None if value is None else json.dumps(value)


def _refuse(action: Action) -> None:
    if action.type in _REFUSED:
        raise Refused(f"the local host does not implement {_REFUSED[action.type]}")
    if action.type not in ActionType.__members__.values():
        raise Refused(f"the local host does not implement actions of the type {action.type}")
    for part in action.parts:
        _refuse(part)

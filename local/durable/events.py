"""The events of a history, as the extension hands them to a function.

The names and numbers are those of `azure.durable_functions.models.history`, and of DurableTask.Core where that one
does not look.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

Event = dict[str, Any]

MESSAGE_ID = -1
"""The `EventId` of an event that nothing in the orchestration scheduled under a number of its own."""


class EventType(IntEnum):
    """`HistoryEventType`: those that this engine writes."""

    EXECUTION_STARTED = 0
    EXECUTION_COMPLETED = 1
    EXECUTION_TERMINATED = 3
    TASK_SCHEDULED = 4
    TASK_COMPLETED = 5
    TASK_FAILED = 6
    TIMER_CREATED = 10
    TIMER_FIRED = 11
    ORCHESTRATOR_STARTED = 12
    ORCHESTRATOR_COMPLETED = 13
    EVENT_RAISED = 15
    CONTINUE_AS_NEW = 16


NAMES = {kind: kind.name.title().replace("_", "") for kind in EventType}
"""What each type is called where the management API shows a history."""


def timestamp(at: float) -> str:
    """Seconds since the epoch, as the history writes a time."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds(text: str) -> float:
    """A time of the history or of an action, in seconds since the epoch; as in the extension, one without a zone is UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _event(kind: EventType, at: float, *, number: int = MESSAGE_ID, **fields: Any) -> Event:
    return {"EventType": int(kind), "EventId": number, "Timestamp": timestamp(at), **fields}


def orchestrator_started(at: float) -> Event:
    """An episode begins."""
    return _event(EventType.ORCHESTRATOR_STARTED, at)


def orchestrator_completed(at: float) -> Event:
    """An episode ended."""
    return _event(EventType.ORCHESTRATOR_COMPLETED, at)


def execution_started(at: float, *, name: str, instance: str, input: str | None, version: str | None) -> Event:
    """The first message of an instance, and of each time it continues as new."""
    return _event(
        EventType.EXECUTION_STARTED,
        at,
        Name=name,
        Version=version,
        Input=input,
        OrchestrationInstance={"InstanceId": instance},
    )


def execution_completed(at: float, *, number: int, status: str, result: str | None) -> Event:
    """The instance completed or failed."""
    return _event(EventType.EXECUTION_COMPLETED, at, number=number, OrchestrationStatus=status, Result=result)


def continued_as_new(at: float, *, number: int, input: str | None) -> Event:
    """The execution ended, and its successor begins with this input."""
    return _event(EventType.CONTINUE_AS_NEW, at, number=number, Result=input)


def execution_terminated(at: float, *, reason: str | None) -> Event:
    """Somebody terminated the instance."""
    return _event(EventType.EXECUTION_TERMINATED, at, Input=reason)


def event_raised(at: float, *, name: str, data: str | None) -> Event:
    """Somebody raised an external event."""
    return _event(EventType.EVENT_RAISED, at, Name=name, Input=data)


def task_scheduled(at: float, *, number: int, name: str, input: str | None) -> Event:
    """An activity is to run."""
    return _event(EventType.TASK_SCHEDULED, at, number=number, Name=name, Version="", Input=input)


def task_completed(at: float, *, number: int, result: str | None) -> Event:
    """An activity returned."""
    return _event(EventType.TASK_COMPLETED, at, TaskScheduledId=number, Result=result)


def task_failed(at: float, *, number: int, reason: str, details: str) -> Event:
    """An activity raised."""
    return _event(EventType.TASK_FAILED, at, TaskScheduledId=number, Reason=reason, Details=details)


def timer_created(at: float, *, number: int, due: float) -> Event:
    """A timer is to fire."""
    return _event(EventType.TIMER_CREATED, at, number=number, FireAt=timestamp(due))


def timer_fired(at: float, *, number: int, due: float) -> Event:
    """A timer fired."""
    return _event(EventType.TIMER_FIRED, at, TimerId=number, FireAt=timestamp(due))

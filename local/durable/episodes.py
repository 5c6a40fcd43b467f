"""One episode: the orchestrator's code runs again from its history, and what it did becomes an outcome."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from local.durable import actions, events
from local.durable.actions import Returned
from local.durable.events import Event, EventType
from local.durable.limits import check_custom_status, check_payload
from local.durable.planner import NewTask, NewTimer, Plan, Planner
from local.durable.records import Episode, Instance, Outcome, Status
from shared.messages import Permanent, Refused

Call = Callable[[str], Awaitable[str]]
"""Runs an orchestrator function with its context as JSON; returns what the function returns."""

_SCHEMAS = {"upperSchemaVersion": 1, "upperSchemaVersionNew": 3}
_LONG_TIMERS = {"maximumShortTimerDuration": "6.00:00:00", "longRunningTimerIntervalDuration": "3.00:00:00"}
"""Azure Storage: a timer has at most six days, a longer one is made of pieces of three."""


def context(instance: Instance, history: Sequence[Event], new: Sequence[Event]) -> str:
    """What an orchestrator function gets: `OrchestrationTriggerAttributeBindingProvider` of the extension makes it so."""
    played = [{**event, "IsPlayed": True} for event in history]
    return json.dumps(
        {
            "history": [*played, *({**event, "IsPlayed": False} for event in new)],
            "input": json.loads(instance.input) if instance.input is not None else None,
            "instanceId": instance.id,
            "isReplaying": bool(history),
            "parentInstanceId": None,
            **_SCHEMAS,
            **_LONG_TIMERS,
        }
    )


async def run(episode: Episode, *, now: float, call: Call | None, known: Collection[str]) -> Outcome:
    """Run an episode. `call` is None where the app has no such orchestrator; `known` are its activities."""
    new = [events.orchestrator_started(now), *episode.messages]
    terminated = [event for event in episode.messages if event["EventType"] == EventType.EXECUTION_TERMINATED]
    if terminated:
        return _ended(new, now, 0, Status.TERMINATED, terminated[0]["Input"], episode.instance.custom_status)
    name, shown = episode.instance.name, episode.instance.custom_status
    try:
        if call is None:
            raise Refused(f"The function '{name}' doesn't exist, is disabled, or is not an orchestrator function.")
        said = await replay(call, context(episode.instance, episode.history, new))
        shown = _custom_status(said)
        plan = Planner(said.actions, [*episode.history, *new]).plan()
        outcome = _outcome(episode, said, plan, new, now, shown)
        _check_activities(plan, known)
    except Permanent as error:
        message = json.dumps(f"Orchestrator function '{name}' failed: {error}")
        return _ended(new, now, _next_number(episode), Status.FAILED, message, shown)
    return outcome


async def replay(call: Call, given: str) -> Returned:
    """Run the code over a history. Raises Refused where what it says is nothing that this engine does."""
    try:
        text = await call(given)
    except Exception as error:  # noqa: BLE001  an orchestrator that raises says so in its own protocol
        return actions.raised(error)
    return actions.returned(text)


def _custom_status(said: Returned) -> str | None:
    text = actions.as_json(said.custom_status)
    check_custom_status(text)
    return text


def _outcome(
    episode: Episode, said: Returned, plan: Plan, new: list[Event], now: float, custom_status: str | None
) -> Outcome:
    number = max(_next_number(episode), *(1 + command.number for command in plan.commands), 0)
    if plan.finished and said.error:
        raise Refused(said.error)
    if plan.finished and plan.continued:
        return _continued(episode, plan.continued.input, new, now, custom_status)
    if plan.finished and said.done:
        output = json.dumps(said.output)
        check_payload(f"the output of {episode.instance.id}", output)
        return _ended(new, now, number, Status.COMPLETED, output, custom_status)
    produced = [_scheduled(command, now) for command in plan.commands]
    return Outcome(
        events=[*new, *produced, events.orchestrator_completed(now)],
        custom_status=custom_status,
        tasks=[command for command in plan.commands if isinstance(command, NewTask)],
        timers=[command for command in plan.commands if isinstance(command, NewTimer)],
        cancelled=plan.cancelled,
    )


def _scheduled(command: NewTask | NewTimer, now: float) -> Event:
    if isinstance(command, NewTimer):
        return events.timer_created(now, number=command.number, due=command.due)
    check_payload(f"the input of activity {command.name}", command.input)
    # As DurableTask.Core writes it: a list of one argument.
    return events.task_scheduled(now, number=command.number, name=command.name, input=f"[{command.input or 'null'}]")


def _continued(episode: Episode, given: Any, new: list[Event], now: float, custom_status: str | None) -> Outcome:
    instance = episode.instance
    started = next(each for each in (*episode.history, *new) if each["EventType"] == EventType.EXECUTION_STARTED)
    payload = actions.as_json(given)
    check_payload(f"the input with which {instance.id} continues", payload)
    return Outcome(
        events=[*new, events.continued_as_new(now, number=0, input=payload), events.orchestrator_completed(now)],
        custom_status=custom_status,
        continued=events.execution_started(
            now, name=instance.name, instance=instance.id, input=payload, version=started["Version"]
        ),
    )


def _ended(
    new: list[Event], now: float, number: int, status: Status, output: str | None, custom_status: str | None
) -> Outcome:
    said = [events.execution_completed(now, number=number, status=status, result=output)]
    return Outcome(
        events=[*new, *(said if status is not Status.TERMINATED else ()), events.orchestrator_completed(now)],
        status=status,
        output=output,
        custom_status=custom_status,
    )


def _check_activities(plan: Plan, known: Collection[str]) -> None:
    """As in the extension, an activity that does not exist fails the orchestration that calls it."""
    for command in plan.commands:
        if isinstance(command, NewTask) and command.name not in known:
            raise Refused(f"The function '{command.name}' doesn't exist, is disabled, or is not an activity function.")


def _next_number(episode: Episode) -> int:
    return 1 + max((event["EventId"] for event in episode.history), default=-1)

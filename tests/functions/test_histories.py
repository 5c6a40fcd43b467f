"""Orchestrations that began under an earlier version go on under this one: their recorded histories are replayed.

When one of these fails, running instances would break. What to do then is said in `tests/pipeline/recorder.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from datetime import datetime
from typing import Any

import azure.durable_functions as df
import pytest

from functions import runs
from local.durable.events import EventType
from tests.fakes.histories import Orchestrator, Recording, differences
from tests.pipeline.orchestrations import orchestrator
from tests.pipeline.recorder import COURSES, HISTORIES

Code = Generator[Any, Any, None]


def executions(name: str) -> list[Recording]:
    """What was recorded of an instance: each of its executions."""
    kept: list[Recording] = json.loads((HISTORIES / f"{name}.json").read_text(encoding="utf-8"))
    return kept


def found(name: str, code: Orchestrator) -> list[str]:
    """Where the code does something else than what was recorded."""
    return [difference for one in executions(name) for difference in differences(one, code)]


def changed(
    *,
    activity: str = runs.ACTIVITY,
    event: str = runs.BELL,
    looks: int = runs.LOOKS,
    first: str = "",
    waits_first: bool = False,
    timer_first: bool = True,
    cancels: bool = True,
    waits_again: bool = False,
) -> Orchestrator:
    """The orchestrator of runs, but for one thing; as it is where none is named."""

    def run(context: df.DurableOrchestrationContext) -> Code:
        reference = context.get_input()
        if first:
            yield context.call_activity(first, reference)
        if waits_first:
            yield context.wait_for_external_event(event)
        for _ in range(looks):
            following = yield context.call_activity(activity, reference)
            if following["do"] == "end":
                return
            if following["do"] == "wait":
                until = datetime.fromisoformat(following["until"])
                if timer_first:
                    timer = context.create_timer(until)
                    yield context.task_any([timer, context.wait_for_external_event(event)])
                else:
                    yield context.wait_for_external_event(event)
                    timer = context.create_timer(until)
                    yield timer
                if cancels and not timer.is_completed:
                    timer.cancel()
                if not waits_again:
                    break
        context.continue_as_new(reference)

    made: Orchestrator = df.Orchestrator.create(run)
    return made


@pytest.mark.parametrize("name", sorted(path.stem for path in HISTORIES.glob("*.json")))
def test_the_code_of_the_day_replays_what_was_recorded(name: str) -> None:
    assert found(name, orchestrator()) == []


@pytest.mark.parametrize("name", COURSES)
def test_the_recordings_are_what_their_names_say(name: str) -> None:
    kept = executions(name)
    events = [[EventType(event["EventType"]) for event in one["history"]] for one in kept]
    assert {one["name"] for one in kept} == {runs.ORCHESTRATION}
    assert events[-1].count(EventType.EXECUTION_COMPLETED) == 1
    assert all(one[-2] is EventType.CONTINUE_AS_NEW for one in events[:-1])
    activities = [one.count(EventType.TASK_COMPLETED) for one in events]
    match name:
        case "several_segments":
            assert max(activities) > 2
        case "question_answered":
            assert any(EventType.EVENT_RAISED in one and EventType.TIMER_CREATED in one for one in events)
        case "question_expired" | "lease_was_busy":
            assert any(EventType.TIMER_FIRED in one for one in events)
        case "continued_as_new":
            assert activities[0] == runs.LOOKS


CHANGES: dict[str, Callable[[], Orchestrator]] = {
    "another activity's name": lambda: changed(activity="run_look"),
    "one more activity": lambda: changed(first="greet"),
    "another order": lambda: changed(waits_first=True),
}
WAITING_CHANGES: dict[str, Callable[[], Orchestrator]] = {
    "another event": lambda: changed(event="ring"),
    "more than one wait": lambda: changed(waits_again=True),
    "first the bell, then the timer": lambda: changed(timer_first=False),
}


def test_an_unchanged_copy_is_not_found_fault_with() -> None:
    for name in COURSES:
        assert found(name, changed()) == []


@pytest.mark.parametrize("name", COURSES)
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_orchestrator_is_found_in_every_recording(name: str, change: str) -> None:
    assert found(name, CHANGES[change]())


@pytest.mark.parametrize("change", WAITING_CHANGES)
def test_a_changed_wait_is_found_where_something_was_waited_for(change: str) -> None:
    for name in ("question_answered", "question_expired", "lease_was_busy"):
        assert found(name, WAITING_CHANGES[change]())


def test_another_number_of_looks_is_found_where_it_continued_as_new() -> None:
    assert found("continued_as_new", changed(looks=runs.LOOKS + 1))
    assert found("continued_as_new", changed(looks=runs.LOOKS - 1))


def test_a_timer_that_is_left_alone_is_found() -> None:
    assert found("question_answered", changed(cancels=False))

"""Recorded histories of orchestrations, and the check that today's code still replays them.

A recording is plain JSON: the episodes of one instance, each with what the orchestrator was given and what it said.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from azure.functions import OrchestrationContext

from local.durable import actions, episodes
from local.durable.events import Event, EventType
from local.durable.functions import quiet_library
from local.durable.planner import Planner
from local.durable.records import Instance, Status
from local.durable.storage import DurableStorage
from shared.messages import Refused

Orchestrator = Callable[[Any], str]
"""What the decorator made of an orchestrator: `builder._function._func`, or `Function.get_user_function()`."""
Recording = dict[str, Any]

_BEFORE_THE_CODE = {
    EventType.EXECUTION_STARTED,
    EventType.TASK_COMPLETED,
    EventType.TASK_FAILED,
    EventType.TIMER_FIRED,
    EventType.EVENT_RAISED,
}


def dump(storage: DurableStorage, *, id: str) -> Recording:
    """An instance's present execution as JSON: its name, its input and its history."""
    found = storage.instance(id=id)
    assert found, f"there is no instance {id}"
    return {"id": id, "name": found.name, "input": found.input, "history": storage.history(id=id)}


def record(dumped: Recording, orchestrator: Orchestrator) -> Recording:
    """Add to a dump what the code says in each of its episodes."""
    said = [_say(dumped, given, orchestrator) for given in _prefixes(dumped["history"])]
    return {**dumped, "said": said}


def differences(recording: Recording, orchestrator: Orchestrator) -> list[str]:
    """Replay every episode of a recording; say where the code takes other actions than it did then."""
    prefixes = _prefixes(recording["history"])
    assert len(prefixes) == len(recording["said"]), "the recording is not whole"
    found = []
    for number, (given, then) in enumerate(zip(prefixes, recording["said"], strict=True)):
        now = _say(recording, given, orchestrator)
        found += [
            f"episode {number}: {key} was {then.get(key)!r} and is {now.get(key)!r}"
            for key in sorted({*then, *now})
            if then.get(key) != now.get(key)
        ]
        found += _misfits(number, given, now)
    return found


def _prefixes(history: Sequence[Event]) -> list[list[Event]]:
    """What the code was given in each episode: everything before it, and its own new messages."""
    prefixes: list[list[Event]] = []
    for place, event in enumerate(history):
        if event["EventType"] != EventType.ORCHESTRATOR_STARTED:
            continue
        end = place + 1
        while end < len(history) and history[end]["EventType"] in _BEFORE_THE_CODE:
            end += 1
        if end > place + 1:
            prefixes.append(list(history[:end]))
    return prefixes


def _say(recording: Recording, given: Sequence[Event], orchestrator: Orchestrator) -> dict[str, Any]:
    """What the function says to a history: the state that it returns, or that its exception carries."""
    quiet_library()
    instance = Instance(0, recording["id"], recording["name"], Status.RUNNING, recording["input"], None, None, 0, 0)
    start = max(place for place, event in enumerate(given) if event["EventType"] == EventType.ORCHESTRATOR_STARTED)
    try:
        text = orchestrator(OrchestrationContext(episodes.context(instance, given[:start], given[start:])))
    except Exception as error:
        _, carries, text = str(error).partition(actions.IN_EXCEPTION)
        if not carries:
            return {"raised": f"{type(error).__name__}: {error}"}
    said: dict[str, Any] = json.loads(text)
    return said


def _misfits(number: int, given: Sequence[Event], now: dict[str, Any]) -> list[str]:
    """Where the actions do not fit the history at all, as the engine would find it."""
    if "raised" in now:
        return [f"episode {number}: {now['raised']}"]
    try:
        Planner(actions.returned(json.dumps(now)).actions, given).plan()
    except Refused as error:
        return [f"episode {number}: {error}"]
    return []

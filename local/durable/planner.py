"""What is to be done after an episode: the actions that the orchestrator took, held against the history.

The extension awaits the actions one after the other while it walks through the history (`OutOfProcOrchestrationShim`),
and so numbers them; this does the same, since the worker's replay counts on those numbers. Its traps are kept: a
compound of all waits for all, also after one failed; of several waiters for one event the last one gets it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from local.durable.actions import Action, ActionType, as_json
from local.durable.events import Event, EventType, seconds
from shared.messages import Refused


@dataclass(frozen=True, slots=True)
class NewTask:
    """An activity to schedule. `input` is JSON."""

    number: int
    name: str
    input: str | None


@dataclass(frozen=True, slots=True)
class NewTimer:
    """A timer to create; one that was cancelled at once never fires."""

    number: int
    due: float
    cancelled: bool


@dataclass(slots=True)
class Plan:
    """What follows from the actions. `finished`: each of them was awaited, so that an end that the code reached counts."""

    commands: list[NewTask | NewTimer] = field(default_factory=list)
    cancelled: set[int] = field(default_factory=set)
    finished: bool = False
    continued: Action | None = None


class _Node:
    """Something that is awaited."""

    def __init__(self) -> None:
        self._done = False

    @property
    def done(self) -> bool:
        return self._done

    def complete(self, *, well: bool) -> None:
        self._done = True


class _Compound(_Node):
    def __init__(self, parts: Sequence[_Node], *, every: bool) -> None:
        super().__init__()
        self._parts = parts
        self._every = every

    @property
    def done(self) -> bool:
        parts = [part.done for part in self._parts]
        return all(parts) if self._every else any(parts) or not parts


class _Retried(_Node):
    """An activity with retries: after each failure a timer, also after the last one, as in DurableTask.Core."""

    def __init__(self, planner: Planner, action: Action) -> None:
        super().__init__()
        if action.retry is None:
            raise Refused(f"activity {action.function} is to be retried, and its options do not say how")
        self._planner = planner
        self._action = action
        self._attempts = 1
        self._pausing = False
        self._options = action.retry
        planner.schedule_task(self, action)

    def complete(self, *, well: bool) -> None:
        if not self._pausing:
            if well:
                self._done = True
            else:
                self._pausing = True
                self._planner.schedule_timer(self, self._planner.now + self._options.first_ms / 1000)
        elif self._attempts >= self._options.attempts:
            self._done = True
        else:
            self._pausing = False
            self._attempts += 1
            self._planner.schedule_task(self, self._action)


class Planner:
    """One walk through one history."""

    def __init__(self, actions: Sequence[Action], history: Iterable[Event]) -> None:
        self._actions = actions
        self._history = list(history)
        self._scheduled = {
            event["EventId"]: event
            for event in self._history
            if event["EventType"] in (EventType.TASK_SCHEDULED, EventType.TIMER_CREATED)
        }
        self._plan = Plan()
        self._next = 0
        self._at = 0
        self._current: _Node | None = None
        self._open: dict[int, _Node] = {}
        self._waiters: defaultdict[str, list[_Node]] = defaultdict(list)
        self._buffered: defaultdict[str, int] = defaultdict(int)
        self.now = 0.0

    def plan(self) -> Plan:
        """Walk. Raises Refused where the actions are not those that the history tells of."""
        for event in self._history:
            self._apply(event)
        if left := [number for number in self._scheduled if number >= self._next]:
            event = self._scheduled[min(left)]
            raise _not_deterministic(f"the history has {_named(event)} as number {min(left)}, and the code does not")
        return self._plan

    def _apply(self, event: Event) -> None:
        match event["EventType"]:
            case EventType.ORCHESTRATOR_STARTED:
                self.now = max(self.now, seconds(event["Timestamp"]))
                return
            case EventType.EXECUTION_STARTED:
                pass
            case EventType.TASK_COMPLETED | EventType.TASK_FAILED as kind:
                self._complete(event["TaskScheduledId"], well=kind == EventType.TASK_COMPLETED)
            case EventType.TIMER_FIRED:
                self._complete(event["TimerId"], well=True)
            case EventType.EVENT_RAISED:
                self._raise(event["Name"])
            case _:
                return
        self._advance()

    def _complete(self, number: int, *, well: bool) -> None:
        if node := self._open.pop(number, None):
            node.complete(well=well)

    def _raise(self, name: str) -> None:
        if waiting := self._waiters[name.casefold()]:
            waiting.pop().complete(well=True)
        else:
            self._buffered[name.casefold()] += 1

    def _advance(self) -> None:
        while self._current is None or self._current.done:
            if self._at == len(self._actions):
                self._plan.finished = True
                return
            self._at += 1
            self._current = self._begin(self._actions[self._at - 1])

    def _begin(self, action: Action) -> _Node:
        match action.type:
            case ActionType.WHEN_ALL | ActionType.WHEN_ANY:
                parts = [self._begin(part) for part in action.parts]
                return _Compound(parts, every=action.type == ActionType.WHEN_ALL)
            case ActionType.CALL_ACTIVITY_WITH_RETRY:
                return _Retried(self, action)
            case ActionType.CALL_ACTIVITY:
                node = _Node()
                self.schedule_task(node, action)
                return node
            case ActionType.CREATE_TIMER:
                return self._timer(action)
            case ActionType.WAIT_FOR_EXTERNAL_EVENT:
                return self._wait(action.event.casefold())
            case _:
                self._plan.continued = action
                return _finished()

    def _wait(self, name: str) -> _Node:
        if self._buffered[name]:
            self._buffered[name] -= 1
            return _finished()
        node = _Node()
        self._waiters[name].append(node)
        return node

    def _timer(self, action: Action) -> _Node:
        node = _Node()
        number = self.schedule_timer(node, seconds(action.fire_at), cancelled=action.cancelled)
        if action.cancelled:
            self._plan.cancelled.add(number)
        return node

    def schedule_task(self, node: _Node, action: Action) -> None:
        """Number an activity; what is not in the history yet becomes a command."""
        number = self._number(node)
        known = self._scheduled.get(number)
        if known is None:
            self._plan.commands.append(NewTask(number, action.function, as_json(action.input)))
        elif known["EventType"] != EventType.TASK_SCHEDULED or known["Name"] != action.function:
            raise _not_deterministic(
                f"number {number} is {_named(known)} in the history, and activity {action.function} in the code"
            )

    def schedule_timer(self, node: _Node, due: float, *, cancelled: bool = False) -> int:
        """Number a timer; what is not in the history yet becomes a command."""
        number = self._number(node)
        known = self._scheduled.get(number)
        if known is None:
            self._plan.commands.append(NewTimer(number, due, cancelled))
        elif known["EventType"] != EventType.TIMER_CREATED:
            raise _not_deterministic(f"number {number} is {_named(known)} in the history, and a timer in the code")
        return number

    def _number(self, node: _Node) -> int:
        number = self._next
        self._next += 1
        self._open[number] = node
        return number


def _finished() -> _Node:
    node = _Node()
    node.complete(well=True)
    return node


def _named(event: Event) -> str:
    return f"activity {event['Name']}" if event["EventType"] == EventType.TASK_SCHEDULED else "a timer"


def _not_deterministic(what: str) -> Refused:
    return Refused(f"Non-Deterministic workflow detected: {what}. Did the orchestrator's code change?")

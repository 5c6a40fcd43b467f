"""What passes between the engine's file and those who use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from local.durable.events import Event
from local.durable.planner import NewTask, NewTimer


class Status(StrEnum):
    """`azure.durable_functions.OrchestrationRuntimeStatus`: those that an instance can have here."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    TERMINATED = "Terminated"

    @property
    def final(self) -> bool:
        """Whether it ended."""
        return self not in (Status.PENDING, Status.RUNNING)


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance as the management API shows it. Payloads are JSON."""

    number: int
    id: str
    name: str
    status: Status
    input: str | None
    output: str | None
    custom_status: str | None
    created: float
    updated: float


@dataclass(frozen=True, slots=True)
class Lock:
    """What a piece of work is held under; each write of its result names it."""

    table: str
    number: int
    token: str


@dataclass(frozen=True, slots=True)
class Episode:
    """An instance with something to do, locked: its history so far and the messages that are new to it."""

    lock: Lock
    instance: Instance
    history: Sequence[Event]
    messages: Sequence[Event]
    taken: Sequence[int]
    """The inbox's numbers of the messages."""


@dataclass(frozen=True, slots=True)
class Activity:
    """An activity to run, locked. `scheduled` is its number in its instance's history."""

    lock: Lock
    instance: str
    scheduled: int
    name: str
    input: str | None


@dataclass(slots=True)
class Outcome:
    """What an episode comes to. `events` go behind the history; with `continued` the history begins anew instead."""

    events: list[Event]
    status: Status = Status.RUNNING
    output: str | None = None
    custom_status: str | None = None
    tasks: Sequence[NewTask] = ()
    timers: Sequence[NewTimer] = ()
    cancelled: set[int] = field(default_factory=set)
    continued: Event | None = None
    """The ExecutionStarted of the execution that follows."""


class Gone(StrEnum):
    """Why a message did not reach an instance."""

    UNKNOWN = "unknown"
    FINISHED = "finished"

"""The scale groups: which functions run together in one process, as on Flex Consumption."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from local.indexing import ActivityFunction, Function, HttpFunction, OrchestratorFunction, QueueFunction
from shared import topology
from shared.messages import SettingError

HTTP = "http"
DEAD_LETTERS = "dead_letters"
DURABLE = "durable"
"""Orchestrations and activities: Flex Consumption scales them together."""

_OF_QUEUE = MappingProxyType(
    {
        topology.INBOUND: "intake",
        topology.TURNS: "turns",
        topology.BACKGROUND: "background",
        topology.OUTBOUND: "deliveries",
        topology.DEAD_LETTERS: DEAD_LETTERS,
    }
)
_OF_TIMERS = ("schedules", "sweeper")

ROLES = (HTTP, *_OF_QUEUE.values(), *_OF_TIMERS, DURABLE)
"""Every name that `up --role` takes."""


def role_of(function: Function) -> str:
    """The scale group of a function. Raises SettingError where it has none."""
    if isinstance(function, HttpFunction):
        return HTTP
    if isinstance(function, OrchestratorFunction | ActivityFunction):
        return DURABLE
    if isinstance(function, QueueFunction):
        role = DEAD_LETTERS if function.dead_letters else _OF_QUEUE.get(function.queue)
        if role is None:
            raise SettingError(
                f"function {function.name}: no role of the local host reads the queue {function.queue!r}"
            )
        return role
    if function.name not in _OF_TIMERS:
        raise SettingError(f"function {function.name}: the local host's roles with timers are {', '.join(_OF_TIMERS)}")
    return function.name


def select(functions: Sequence[Function], role: str | None) -> list[Function]:
    """The functions of a role; all of them without one."""
    chosen = [function for function in functions if role_of(function) == role or role is None]
    if not chosen:
        raise SettingError(f"no function of the app belongs to the role {role!r}")
    return chosen

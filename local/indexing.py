"""What the functions of the app are, as plain descriptions; what this host does not implement is refused by name."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.messages import SettingError
from shared.topology import DEAD_LETTER_SUFFIX

if TYPE_CHECKING:
    import azure.functions as func

UserFunction = Callable[..., Awaitable[Any]]

_COMMON = {"direction", "type", "name"}
_IMPLEMENTED = {
    "httpTrigger": _COMMON | {"route", "methods", "authLevel"},
    "http": _COMMON,
    "serviceBusTrigger": _COMMON | {"queueName", "connection", "isSessionsEnabled", "cardinality"},
    "timerTrigger": _COMMON | {"schedule", "runOnStartup", "useMonitor"},
    "orchestrationTrigger": _COMMON | {"orchestration"},
    "activityTrigger": _COMMON | {"activity"},
    "durableClient": _COMMON,
}
"""The bindings of this host and the properties of each that it keeps to."""
_SETTING = re.compile(r"%([^%]+)%")
_ORCHESTRATOR_ARGUMENT = "context"
"""Azure's worker takes no other name (`azure_functions_runtime`): it looks at the function that the decorator made."""


# Neither frozen nor compared by value: that would be a millisecond and a half of every start.
@dataclass(slots=True, eq=False)
class HttpFunction:
    """A function that answers HTTP requests. `methods` empty: all of them."""

    name: str
    call: UserFunction
    argument: str
    route: str
    methods: frozenset[str]
    anonymous: bool
    client: str = ""
    """The argument that takes a Durable client, of a function that has one."""


@dataclass(slots=True, eq=False)
class QueueFunction:
    """A function that handles the messages of a queue or of a dead-letter queue."""

    name: str
    call: UserFunction
    argument: str
    queue: str
    sessions: bool
    client: str = ""

    @property
    def dead_letters(self) -> bool:
        """Whether it reads what the broker gave up on."""
        return self.queue.endswith(DEAD_LETTER_SUFFIX)


@dataclass(slots=True, eq=False)
class TimerFunction:
    """A function that runs by a schedule, in UTC as in Azure."""

    name: str
    call: UserFunction
    argument: str
    schedule: str
    at_start: bool
    monitored: bool
    client: str = ""


@dataclass(slots=True, eq=False)
class OrchestratorFunction:
    """A function that an orchestration replays. It is `known_as` a name of its own to those who start it."""

    name: str
    call: UserFunction
    argument: str
    known_as: str
    client: str = ""


@dataclass(slots=True, eq=False)
class ActivityFunction:
    """A function that does a piece of an orchestration's work, `known_as` a name of its own to orchestrators."""

    name: str
    call: UserFunction
    argument: str
    known_as: str
    client: str = ""


Function = HttpFunction | QueueFunction | TimerFunction | OrchestratorFunction | ActivityFunction


def uses_durable(function: Function) -> bool:
    """Whether Durable Functions must be there for a function: to run it, or for its client."""
    return isinstance(function, OrchestratorFunction | ActivityFunction) or bool(function.client)


def index(functions: Iterable[func.Function], *, app_settings: Mapping[str, str]) -> list[Function]:
    """Describe every function. Raises SettingError naming the function and what is not implemented or not set."""
    return [_describe(function, app_settings) for function in functions]


def _describe(function: func.Function, app_settings: Mapping[str, str]) -> Function:
    name, bound = str(function.get_function_name()), function.get_trigger()
    if bound is None:
        raise SettingError(f"function {name} has no trigger")
    bindings = [binding.get_dict_repr() for binding in function.get_bindings()]
    for binding in bindings:
        _refuse_unknown(name, binding)
    trigger = bound.get_dict_repr()
    if function.http_type != "function":
        raise SettingError(f"function {name}: the local host implements no {function.http_type} applications")
    written, argument = function.get_user_function(), str(trigger["name"])
    client = _client(name, bindings)
    _check_arguments(name, written, trigger, client)
    call = _awaitable(written)
    match trigger["type"]:
        case "httpTrigger":
            level = trigger.get("authLevel")
            return HttpFunction(
                name,
                call,
                argument,
                route=trigger.get("route") or name,
                methods=frozenset(_text(method).upper() for method in trigger.get("methods") or ()),
                anonymous=level is not None and _text(level).lower() == "anonymous",
                client=client,
            )
        case "serviceBusTrigger":
            if _text(trigger.get("cardinality") or "one").lower() != "one":
                raise SettingError(f"function {name}: the local host implements cardinality one only")
            queue = _resolve(name, trigger["queueName"], app_settings)
            return QueueFunction(name, call, argument, queue, bool(trigger.get("isSessionsEnabled")), client)
        case "orchestrationTrigger":
            return OrchestratorFunction(name, call, argument, trigger.get("orchestration") or name, client)
        case "activityTrigger":
            return ActivityFunction(name, call, argument, trigger.get("activity") or name, client)
        case _:
            return TimerFunction(
                name,
                call,
                argument,
                schedule=_resolve(name, trigger["schedule"], app_settings),
                at_start=bool(trigger.get("runOnStartup")),
                monitored=trigger.get("useMonitor") is not False,
                client=client,
            )


def _client(name: str, bindings: Iterable[Mapping[str, Any]]) -> str:
    """The argument that takes a Durable client; empty where there is none."""
    clients = [str(binding["name"]) for binding in bindings if binding["type"] == "durableClient"]
    if len(clients) > 1:
        raise SettingError(f"function {name}: the local host implements one durableClient for a function")
    return clients[0] if clients else ""


def _check_arguments(name: str, written: Callable[..., Any], trigger: Mapping[str, Any], client: str) -> None:
    argument = str(trigger["name"])
    if trigger["type"] == "orchestrationTrigger" and argument != _ORCHESTRATOR_ARGUMENT:
        raise SettingError(
            f"function {name}: the argument of an orchestrator must be called {_ORCHESTRATOR_ARGUMENT}, not {argument}"
        )
    taken = [argument, client] if client else [argument]
    if sorted(inspect.signature(written).parameters) != sorted(taken):
        raise SettingError(
            f"function {name}: it must take {' and '.join(taken)}, the argument{'s' if client else ''} of its trigger"
            f"{' and its client' if client else ''}, and nothing else"
        )


def _awaitable(call: Callable[..., Any]) -> UserFunction:
    """The function itself, or one that runs it in a thread where it is not a coroutine, as the worker does."""
    if inspect.iscoroutinefunction(call):
        return call

    async def in_thread(**arguments: object) -> Any:
        return await asyncio.to_thread(call, **arguments)

    return in_thread


def _refuse_unknown(name: str, binding: Mapping[str, Any]) -> None:
    kind = binding["type"]
    if kind not in _IMPLEMENTED:
        raise SettingError(f"function {name}: the local host does not implement the binding {kind}")
    for option, value in binding.items():
        if option not in _IMPLEMENTED[kind] and value is not None:
            raise SettingError(f"function {name}: the local host does not implement {option} of {kind}")


def _resolve(name: str, text: str, app_settings: Mapping[str, str]) -> str:
    """Replace each `%SETTING%`, as the Functions host does."""

    def value(found: re.Match[str]) -> str:
        if not app_settings.get(found[1]):
            raise SettingError(f"{found[1]} is missing: function {name} names it in {text!r}")
        return app_settings[found[1]]

    return _SETTING.sub(value, text)


def _text(value: Any) -> str:
    """The text of an enumeration's member, or of a plain string."""
    return str(getattr(value, "value", value))

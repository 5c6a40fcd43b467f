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
}
"""The bindings of this host and the properties of each that it keeps to."""
_SETTING = re.compile(r"%([^%]+)%")


@dataclass(frozen=True, slots=True)
class HttpFunction:
    """A function that answers HTTP requests. `methods` empty: all of them."""

    name: str
    call: UserFunction
    argument: str
    route: str
    methods: frozenset[str]
    anonymous: bool


@dataclass(frozen=True, slots=True)
class QueueFunction:
    """A function that handles the messages of a queue or of a dead-letter queue."""

    name: str
    call: UserFunction
    argument: str
    queue: str
    sessions: bool

    @property
    def dead_letters(self) -> bool:
        """Whether it reads what the broker gave up on."""
        return self.queue.endswith(DEAD_LETTER_SUFFIX)


@dataclass(frozen=True, slots=True)
class TimerFunction:
    """A function that runs by a schedule, in UTC as in Azure."""

    name: str
    call: UserFunction
    argument: str
    schedule: str
    at_start: bool
    monitored: bool


Function = HttpFunction | QueueFunction | TimerFunction


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
    if list(inspect.signature(written).parameters) != [argument]:
        raise SettingError(f"function {name}: it must take {argument}, the argument of its trigger, and nothing else")
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
            )
        case "serviceBusTrigger":
            if _text(trigger.get("cardinality") or "one").lower() != "one":
                raise SettingError(f"function {name}: the local host implements cardinality one only")
            queue = _resolve(name, trigger["queueName"], app_settings)
            return QueueFunction(name, call, argument, queue, sessions=bool(trigger.get("isSessionsEnabled")))
        case _:
            return TimerFunction(
                name,
                call,
                argument,
                schedule=_resolve(name, trigger["schedule"], app_settings),
                at_start=bool(trigger.get("runOnStartup")),
                monitored=trigger.get("useMonitor") is not False,
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

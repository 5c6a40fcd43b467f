"""Route templates of HTTP functions, matched as the Functions host matches them: case does not count, literals win."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from urllib.parse import unquote

from local.indexing import HttpFunction
from shared.messages import SettingError

_PARAMETER = re.compile(r"\{(\*?)(\w+)(?::(\w+))?\}")
_CONSTRAINTS = {None: "[^/]+", "int": "-?[0-9]+", "alpha": "[A-Za-z]+", "guid": "[0-9A-Fa-f-]{36}"}

REMEMBERED = 64
"""For how many paths it is remembered whose they are: platforms call the same few all the time."""


@dataclass(frozen=True)
class Route:
    """One function under its full path."""

    function: HttpFunction
    expression: str
    order: tuple[int, ...]
    """A number per segment: 0 for a literal, 1 for a parameter, 2 for a rest. Lower is tried first."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Compiled when somebody may want it: a first webhook needs few of them."""
        return re.compile(self.expression, re.IGNORECASE)


class Routes:
    """All routes of the app."""

    def __init__(self, functions: Iterable[HttpFunction], *, prefix: str) -> None:
        """Put them in order. Raises SettingError for a template that this host does not implement."""
        routes = [_compile(function, prefix) for function in functions]
        self._routes = sorted(routes, key=lambda route: route.order)
        self._remembered = lru_cache(maxsize=REMEMBERED)(self._find)

    def find(self, method: str, path: str) -> tuple[HttpFunction, dict[str, str]] | None:
        """The function for a request and its route parameters. As in Azure, a method it does not take is not found."""
        found = self._remembered(method, path)
        return (found[0], dict(found[1])) if found else None

    def _find(self, method: str, path: str) -> tuple[HttpFunction, dict[str, str]] | None:
        for route in self._routes:
            methods = route.function.methods
            if (not methods or method in methods) and (found := route.pattern.fullmatch(path)):
                return route.function, {name: unquote(value) for name, value in found.groupdict().items()}
        return None


def _compile(function: HttpFunction, prefix: str) -> Route:
    segments = [segment for segment in (*prefix.split("/"), *function.route.split("/")) if segment]
    pattern, order = "", []
    for segment in segments:
        part, rank = _segment(function, segment)
        pattern += "/" + part
        order.append(rank)
    return Route(function, pattern + "/?", tuple(order))


def _segment(function: HttpFunction, segment: str) -> tuple[str, int]:
    found = _PARAMETER.fullmatch(segment)
    if found is None:
        if "{" in segment or "}" in segment:
            raise SettingError(f"function {function.name}: the local host does not implement the route {segment!r}")
        return re.escape(segment), 0
    rest, name, constraint = found.groups()
    if constraint not in _CONSTRAINTS:
        raise SettingError(f"function {function.name}: the local host does not implement the constraint {constraint!r}")
    return (f"(?P<{name}>.*)", 2) if rest else (f"(?P<{name}>{_CONSTRAINTS[constraint]})", 1)

"""The part of Cosmos DB's SQL that the adapters and LangGraph's libraries use, as SQLite's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<path>c(?:\.\w+|\["\w+"\])+) | (?P<parameter>@\w+) | (?P<text>'[^']*'|"[^"]*") | (?P<number>-?\d+(?:\.\d+)?)
      | (?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,|\*|\[|\]|\{|\}|:) | (?P<word>\w+)
    )""",
    re.VERBOSE,
)
_STEP = re.compile(r'\.(\w+)|\["(\w+)"\]')
_PLAIN = frozenset(("AND", "OR", "NOT", "IN", "NULL", "TRUE", "FALSE"))
_FUNCTIONS = {"STARTSWITH": 2, "ENDSWITH": 2, "IS_DEFINED": 1}


class NotUnderstood(ValueError):
    """The statement uses more than this front knows."""


@dataclass(frozen=True)
class Token:
    kind: str
    text: str


@dataclass(frozen=True)
class Select:
    """A statement in its parts. `fields` empty: whole items."""

    fields: Sequence[str]
    where: str
    values: Sequence[Any]
    order: str
    descending: bool
    offset: int
    limit: int | None
    ordered_rows: bool
    """Asked for by an SDK that merges the answers of several partitions: each item comes with what it is ordered by."""


def parse(query: str, parameters: Mapping[str, Any]) -> Select:
    """Read a statement. Raises NotUnderstood."""
    return _Parser(list(_tokens(query)), parameters).select()


def plan(query: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What the gateway tells an SDK of a query over several partitions: how to merge, and what to ask each of them."""
    known = parse(query, parameters)
    condition = re.search(r"WHERE (.*?)(?: ORDER BY | OFFSET |$)", query, re.DOTALL)
    where = condition[1] if condition else "true"
    path = f"c.{known.order}"
    direction = "DESC" if known.descending else "ASC"
    payload = "c" if not known.fields else "{" + ", ".join(f'"{one}": c["{one}"]' for one in known.fields) + "}"
    rewritten = (
        f'SELECT c._rid, [{{"item": {path}}}] AS orderByItems, {payload} AS payload FROM c'
        f" WHERE ({where}) AND ({{documentdb-formattableorderbyquery-filter}}) ORDER BY {path} {direction}"
    )
    return {
        "partitionedQueryExecutionInfoVersion": 2,
        "queryInfo": {
            "distinctType": "None",
            "top": _number(query, "TOP", parameters),
            "offset": _number(query, "OFFSET", parameters),
            "limit": _number(query, "LIMIT", parameters),
            "orderBy": ["Descending" if known.descending else "Ascending"] if known.order else [],
            "orderByExpressions": [path] if known.order else [],
            "groupByExpressions": [],
            "groupByAliases": [],
            "aggregates": [],
            "groupByAliasToAggregateType": {},
            "rewrittenQuery": rewritten if known.order else "",
            "hasSelectValue": False,
            "hasNonStreamingOrderBy": False,
        },
        "queryRanges": [{"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}],
    }


def needs_plan(query: str) -> bool:
    """Whether the gateway leaves it to the SDK to merge the answers of several partitions."""
    return bool(re.search(r"\b(ORDER BY|OFFSET|TOP|DISTINCT|GROUP BY)\b", query))


def _number(query: str, word: str, parameters: Mapping[str, Any]) -> int | None:
    found = re.search(rf"\b{word} (@\w+|\d+)", query)
    return int(parameters.get(found[1], found[1])) if found else None


def _tokens(query: str) -> Iterator[Token]:
    at = 0
    query = query.strip()
    while at < len(query):
        found = _TOKEN.match(query, at)
        if not found or not found.lastgroup:
            raise NotUnderstood(f"at {query[at : at + 40]!r}")
        yield Token(found.lastgroup, found[found.lastgroup])
        at = found.end()
        while at < len(query) and query[at].isspace():
            at += 1


class _Parser:
    def __init__(self, tokens: list[Token], parameters: Mapping[str, Any]) -> None:
        self._tokens = tokens
        self._at = 0
        self._parameters = parameters

    def select(self) -> Select:
        self._take("SELECT")
        limit = self._value() if self._skip("TOP") else None
        ordered_rows, fields = self._fields()
        self._take("FROM")
        self._take("c")
        where, values = self._condition() if self._skip("WHERE") else ("1", [])
        order, descending = "", False
        if self._skip("ORDER"):
            self._take("BY")
            order = ".".join(_steps(self._next("path").text))
            descending = self._skip("DESC") or (self._skip("ASC") and False)
        offset = 0
        if self._skip("OFFSET"):
            offset = self._value()
            self._take("LIMIT")
            limit = self._value()
        if self._at < len(self._tokens):
            raise NotUnderstood(f"{self._tokens[self._at].text!r}")
        return Select(fields, where, values, order, descending, offset, limit, ordered_rows)

    def _fields(self) -> tuple[bool, list[str]]:
        if self._skip("*"):
            return False, []
        chosen: list[Token] = []
        while not self._is("FROM"):
            chosen.append(self._next())
        paths = [".".join(_steps(one.text)) for one in chosen if one.kind == "path"]
        merged = any(one.text == "orderByItems" for one in chosen)
        if not merged:
            return False, paths
        # `_rid` and what it is ordered by stand before the payload; a payload that is `c` has no paths of its own.
        return True, paths[2:]

    def _condition(self) -> tuple[str, list[Any]]:
        parts: list[str] = []
        values: list[Any] = []
        depth = 0
        while self._at < len(self._tokens) and not (depth == 0 and self._ends()):
            token = self._next()
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            text, given = self._translated(token)
            parts.append(text)
            values += given
        return " ".join(parts), values

    def _ends(self) -> bool:
        return self._is("ORDER") or self._is("OFFSET")

    def _translated(self, token: Token) -> tuple[str, list[Any]]:
        match token.kind:
            case "path":
                return _extract(token.text), []
            case "parameter":
                return "?", [self._parameters[token.text]]
            case "text":
                return "?", [token.text[1:-1]]
            case "number" | "sign":
                return token.text, []
        word = token.text.upper()
        if word in _FUNCTIONS:
            return self._call(word)
        if word in _PLAIN:
            return {"TRUE": "1", "FALSE": "0"}.get(word, word), []
        raise NotUnderstood(f"{token.text!r}")

    def _call(self, name: str) -> tuple[str, list[Any]]:
        self._take("(")
        arguments: list[str] = []
        values: list[Any] = []
        for place in range(_FUNCTIONS[name]):
            if place:
                self._take(",")
            text, given = self._translated(self._next())
            arguments.append(text)
            values.append(given)
        self._take(")")
        of = [value for given in values for value in given]
        if name == "IS_DEFINED":
            return f"({arguments[0]} IS NOT NULL)", of
        one, two = arguments
        first, second = values
        if name == "STARTSWITH":
            return f"(substr({one}, 1, length({two})) = {two})", [*first, *second, *second]
        return f"(substr({one}, -length({two})) = {two})", [*first, *second, *second]

    def _value(self) -> int:
        token = self._next()
        return int(self._parameters[token.text] if token.kind == "parameter" else token.text)

    def _next(self, kind: str = "") -> Token:
        token = self._tokens[self._at]
        if kind and token.kind != kind:
            raise NotUnderstood(f"{token.text!r}")
        self._at += 1
        return token

    def _is(self, word: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at].text.upper() == word.upper()

    def _skip(self, word: str) -> bool:
        found = self._is(word)
        self._at += found
        return found

    def _take(self, word: str) -> None:
        if not self._skip(word):
            raise NotUnderstood(f"{word} is missing")


def _steps(path: str) -> list[str]:
    return [one or other for one, other in _STEP.findall(path)]


def _extract(path: str) -> str:
    return f"json_extract(body, '$.{'.'.join(json.dumps(step) for step in _steps(path))}')"

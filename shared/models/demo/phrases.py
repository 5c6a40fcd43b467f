"""Tool results in friendly words."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import MappingProxyType

from shared.models.demo.reading import Heard

BEGINNING = 700
"""The most characters of a page or a file that are shown."""

_QUOTED = re.compile(r"\[begin (\w+)\]\n(.*?)\n\[end \1\]", re.DOTALL)
_ID = re.compile(r", id [\w-]+")


def answer(heard: Heard) -> str:
    """One answer from the results of the calls that followed a message."""
    return "\n\n".join(
        f"That did not work: {_ID.sub('', result.text)}"
        if result.status == "error"
        else _PHRASES.get(call["name"], _as_it_is)(result.text.strip())
        for call, result in heard.results
    )


def _as_it_is(text: str) -> str:
    return text or "Done."


def _sum(text: str) -> str:
    expression, equals, result = text.rpartition(" = ")
    return f"`{expression}` = **{result}**" if equals else text


def _reminder(text: str) -> str:
    return _ID.sub("", text)


def _remembered(text: str) -> str:
    return text.replace("Remembered:", "I'll remember that:", 1)


def _recalled(text: str) -> str:
    return text.replace("Remembered:", "Here is what I remember:", 1)


def _zone(text: str) -> str:
    return text.replace("The person's", "Your", 1)


def _written(text: str) -> str:
    name, found, _ = text.partition(" (")
    return f"Here is **{name}**." if found else text


def _page(text: str) -> str:
    quoted = _QUOTED.search(text)
    shown = quoted[2] if quoted else text
    title, gap, rest = shown.partition("\n\n")
    if gap and "\n" not in title:
        shown = f"**{title}**\n\n{rest}"
    return _beginning(shown)


def _file(text: str) -> str:
    quoted = _QUOTED.search(text)
    return _beginning(quoted[2] if quoted else text)


def _beginning(text: str) -> str:
    if len(text) <= BEGINNING:
        return text
    return f"{text[:BEGINNING].rsplit(' ', 1)[0]} …\n\n(That is the beginning.)"


_PHRASES = MappingProxyType[str, Callable[[str], str]](
    {
        "calculate": _sum,
        "set_reminder": _reminder,
        "list_reminders": _reminder,
        "change_reminder": _reminder,
        "cancel_reminder": _reminder,
        "remember": _remembered,
        "recall": _recalled,
        "set_time_zone": _zone,
        "write_file": _written,
        "read_web_page": _page,
        "read_file": _file,
    }
)

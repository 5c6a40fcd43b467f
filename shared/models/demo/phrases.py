"""Tool results in friendly words."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import MappingProxyType

from shared.models.demo.reading import Done

BEGINNING = 700
"""The most characters of a page or a file that are shown."""

_QUOTED = re.compile(r"\[begin (\w+)\]\n(.*?)\n\[end \1\]", re.DOTALL)
_ID = re.compile(r", id [\w-]+")
_SKIPPED = re.compile(
    r"(?:(?:this|the) (?:tool )?(?:call|step) (?:was|is) |it was )?(?:skipped|not (?:begun|started))\b"
    r"|(?:this was )?not done: the (?:person wrote something new|assistant was changed) before",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"nobody knows|may or may not|(?:not|un)(?: be)? ?(?:known|certain|clear) (?:whether|if)|uncertain|half done",
    re.IGNORECASE,
)
_REFUSED = re.compile(r"\b(?:refused|rejected|declined|denied|said no|may not be done here)\b", re.IGNORECASE)
_FOR_A_MODEL = re.compile(
    r"(?:^|(?<=[.!?])\s+)(?:(?:do not|don't|never) (?:call|repeat|try)|(?:tell|ask) (?:the person|them|what)|call (?:it )?again)"
    r"\b[^.!?]*(?:[.!?]|$)",
    re.IGNORECASE,
)
_THE_PERSON = re.compile(r"\b(?:[Tt]he person(?:('s)\b| (has|is|was|does|wants)\b)?|They(?= said: ))")
_YOUR_VERB = MappingProxyType({"has": "have", "is": "are", "was": "were", "does": "do", "wants": "want"})
_TWICE = re.compile(r"^Nobody knows whether this was done(?:\.\s*|, and )")
_CHANGED = re.compile(r"^The person changed this call before it was made.*?\n\nTool response:\s*", re.DOTALL)


def of(done: Done) -> str:
    """One result in words for the person."""
    text = _CHANGED.sub("", done.result.text.strip())
    if was_skipped(done):
        return "I did not do that, because you wrote something else before I began. Say it again if you still want it."
    if done.result.status != "error":
        return _PHRASES.get(done.call["name"], _as_it_is)(text)
    plain = _ID.sub("", _for_the_person(text))
    if _UNKNOWN.search(text):
        more = _TWICE.sub("", plain)
        more = plain if more == plain else f"{more[:1].upper()}{more[1:]}"
        return f"I don't know whether that was done. {more}".rstrip()
    if _REFUSED.search(text):
        return f"I did not do that. {plain}".rstrip()
    return f"That did not work: {plain}" if plain else "That did not work."


def was_skipped(done: Done) -> bool:
    """True for a call that was not begun, because the person said something first."""
    text = done.result.text.strip()
    return bool(_SKIPPED.search(text) if done.result.status == "error" else _SKIPPED.match(text))


def _for_the_person(text: str) -> str:
    """What went wrong, without the sentences that tell a model what to do about it."""
    return _THE_PERSON.sub(_you, _FOR_A_MODEL.sub("", text).strip())


def _you(found: re.Match[str]) -> str:
    you = "you" if found[0].startswith("t") else "You"
    if found[1] == "'s":
        return f"{you}r"
    return f"{you} {_YOUR_VERB[found[2]]}" if found[2] else you


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


def _posted(text: str) -> str:
    quoted = _QUOTED.search(text)
    return f"{text.partition(' It answered:')[0]}\n\nIt answered: {_beginning(quoted[2])}" if quoted else text


def _answered(text: str) -> str:
    return f"You answered: {text}"


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
        "post_webhook": _posted,
        "ask_person": _answered,
    }
)

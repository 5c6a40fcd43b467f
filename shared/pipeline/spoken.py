"""Answers in words: what a short text such as `no, because it is too early` means, whatever was asked. English."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

LONGEST = 20_000
"""Characters. What is longer is no answer to a question with buttons."""


class Meaning(StrEnum):
    """What an answer in words says."""

    YES = "yes"
    NO = "no"
    EDIT = "edit"
    CHECK = "check"
    REPEAT = "repeat"
    DROP = "drop"
    GO_ON = "go on"


@dataclass(frozen=True, slots=True)
class Spoken:
    """An answer in words, and what follows it: the reason for a no, the changes of an edit."""

    meaning: Meaning
    rest: str = ""


_FORMS = {
    Meaning.YES: "yes|y|yep|yeah|yup|ok|okay|k|sure|fine|approve|approved|approve it|i approve|accept|agreed|confirm|"
    "confirmed|allow|allow it|go ahead|do it|please do|yes please|yes do it|yes go ahead|ok do it|sure go ahead|👍",
    Meaning.NO: "no|n|nope|nah|refuse|refused|i refuse|reject|rejected|deny|denied|decline|don't|dont|do not|don't do it|"
    "do not do it|no thanks|no thank you|no don't|no do not|never|please don't|👎",
    Meaning.EDIT: "edit",
    Meaning.CHECK: "check|check it|please check|check first|look",
    Meaning.REPEAT: "repeat|repeat it|again|do it again|once more|do it once more|try again|retry",
    Meaning.DROP: "drop|drop it|leave it|leave it as it is|leave|forget it|skip|skip it",
    Meaning.GO_ON: "go on|continue|carry on|resume|go on with it",
}
_MEANINGS = {form: meaning for meaning, forms in _FORMS.items() for form in forms.split("|")}
_BECAUSE = re.compile(
    r"(?:no|nope|nah|refuse|refused|reject|rejected|deny|decline|don['’]t|do not)"
    r"(?:\s*[,;:]\s*|\.\s+|\s+[–—-]+\s+|\s+(?=because\b))(?:because\s+)?(?P<why>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_EDIT = re.compile(r"edit(?:\s+|\s*:\s*)(?P<what>\{.*\}|[\w.-]+\s*:.*)", re.IGNORECASE | re.DOTALL)


def read(text: str) -> Spoken | None:
    """What a text means as an answer; None where it does not look like one."""
    text = text.strip()
    if not text or len(text) > LONGEST:
        return None
    plain = " ".join(text.replace("’", "'").casefold().replace(",", " ").strip(" .!").split())
    if meaning := _MEANINGS.get(plain):
        return Spoken(meaning)
    if found := _BECAUSE.fullmatch(text):
        return Spoken(Meaning.NO, " ".join(found["why"].split()))
    if found := _EDIT.fullmatch(text):
        return Spoken(Meaning.EDIT, found["what"].strip())
    return None


def chosen(text: str, options: tuple[str, ...]) -> int | None:
    """The option that a text names by its number or its words; None where it names none, or more than one."""
    plain = _plain(text)
    same = [index for index, option in enumerate(options) if _plain(option) == plain]
    if same:
        return same[0] if len(same) == 1 else None
    number = re.fullmatch(r"(?:option|number|no|nr|#)?\s*(\d{1,3})", plain)
    return int(number[1]) - 1 if number and 0 < int(number[1]) <= len(options) else None


def _plain(text: str) -> str:
    return " ".join(text.casefold().strip(" .!)#").split())

"""UTF-16 code units: what Telegram counts texts, limits and entities in."""

from __future__ import annotations

from collections.abc import Sequence


def length(text: str) -> int:
    """The length of a text in UTF-16 code units."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def offsets(text: str) -> Sequence[int]:
    """For each index into the text, its end included, the offset in UTF-16 code units."""
    if length(text) == len(text):
        return range(len(text) + 1)
    found = [0]
    for character in text:
        found.append(found[-1] + (2 if character > "\uffff" else 1))
    return found


def cut(text: str, start: int, end: int) -> str:
    """What stands between two offsets in UTF-16 code units. An offset inside a character leaves a replacement mark."""
    return text.encode("utf-16-le", "surrogatepass")[2 * start : 2 * end].decode("utf-16-le", "replace")


def fit(text: str, limit: int, *, start: int = 0) -> int:
    """The largest index such that `text[start:index]` has at most `limit` UTF-16 code units."""
    end = min(len(text), start + limit)
    while (surplus := length(text[start:end]) - limit) > 0:
        end -= (surplus + 1) // 2
    return end


def well_formed(text: str) -> str:
    """The text with each lone surrogate replaced by U+FFFD, so that it can be written as UTF-8; no offset moves."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

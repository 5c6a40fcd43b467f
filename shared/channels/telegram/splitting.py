"""Cuts a styled text into messages of Telegram's size, with entities in UTF-16 code units."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.channels.telegram import utf16
from shared.channels.telegram.styled import Span, Styled
from shared.ports import Json

MAX_ENTITIES = 100
"""Telegram ignores what a message has beyond them."""

_JOINER = "\u200d"
_LOOK_BACK = 64
"""Characters: no cluster that people write is longer."""
_SHORTEST = 3
"""A cut leaves at least a third of the room filled, or the next best kind of place is taken."""
_CARRIES_MEANING = frozenset({"text_link", "pre"})
_VALUE_FIELDS = {"text_link": "url", "pre": "language"}


@dataclass(frozen=True, slots=True)
class Piece:
    """One message's text and entities."""

    text: str
    entities: tuple[Json, ...] = ()


def split(styled: Styled, *, limit: int) -> list[Piece]:
    """Pieces of at most `limit` UTF-16 code units, none of them empty. What is cut inside a span goes on in the next."""
    text = styled.text
    literal = [span for span in styled.spans if span.kind == "pre"]
    pieces = []
    start = _skip(text, 0, literal)
    while start < len(text):
        end = _end(styled, start, limit=limit, literal=literal)
        piece = _piece(styled, start, end)
        if piece:
            pieces.append(piece)
        start = _skip(text, end, literal)
    return pieces


def _skip(text: str, start: int, literal: Sequence[Span]) -> int:
    """The start of the next piece: white space at a cut goes, but code keeps the indentation of its first line."""
    first = start
    while first < len(text) and text[first].isspace():
        first += 1
    code = next((span for span in literal if span.start <= first < span.end), None)
    if code is None:
        return first
    line = text.rfind("\n", start, first) + 1
    return max(line, start, code.start)


def _end(styled: Styled, start: int, *, limit: int, literal: Sequence[Span]) -> int:
    text = styled.text
    end = utf16.fit(text, limit, start=start)
    meant = [span.start for span in styled.spans if span.kind in _CARRIES_MEANING and span.end > start]
    if len(meant) > MAX_ENTITIES and start < meant[MAX_ENTITIES] < end:
        end = meant[MAX_ENTITIES]
    return end if end == len(text) else _cut(text, start, end, literal)


def _cut(text: str, start: int, end: int, literal: Sequence[Span]) -> int:
    """The best place to cut at or before `end`: between paragraphs, then lines, then words, then characters."""
    earliest = start + (end - start) // _SHORTEST
    for separator, in_code in (("\n\n", False), ("\n\n", True), ("\n", True), (" ", True)):
        for place in _places(text, separator, earliest, end):
            if in_code or not any(span.start < place < span.end for span in literal):
                return place
    return _between_clusters(text, start, end)


def _places(text: str, separator: str, earliest: int, end: int) -> Iterator[int]:
    place = text.rfind(separator, earliest, end + len(separator))
    while place > earliest:
        yield place
        place = text.rfind(separator, earliest, place)


def _between_clusters(text: str, start: int, end: int) -> int:
    """The last place at or before `end` that separates nothing which people see as one character."""
    for place in range(end, max(start, end - _LOOK_BACK), -1):
        if not _belongs_together(text, place):
            return place
    return end


def _belongs_together(text: str, place: int) -> bool:
    before, after = text[place - 1], text[place]
    if _JOINER in (before, after) or before + after == "\r\n":
        return True
    if unicodedata.category(after).startswith("M") or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True
    if "\U000e0020" <= after <= "\U000e007f":
        return True
    return _is_flag_half(after) and _flag_halves_before(text, place) % 2 == 1


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flag_halves_before(text: str, place: int) -> int:
    first = place
    while first > 0 and _is_flag_half(text[first - 1]):
        first -= 1
    return place - first


def _piece(styled: Styled, start: int, end: int) -> Piece | None:
    # The end is trimmed as Telegram does, which would else move the bounds of entities.
    text = styled.text[start:end].rstrip()
    if not _is_visible(text):
        return None
    end = start + len(text)
    spans = [
        Span(start=max(span.start, start) - start, end=min(span.end, end) - start, kind=span.kind, value=span.value)
        for span in styled.spans
        if span.start < end and span.end > start
    ]
    offsets = utf16.offsets(text)
    return Piece(text=text, entities=tuple(_entity(span, offsets) for span in _most_useful(spans)))


def _most_useful(spans: Sequence[Span]) -> Sequence[Span]:
    if len(spans) <= MAX_ENTITIES:
        return spans
    meant = sum(span.kind in _CARRIES_MEANING for span in spans)
    room = MAX_ENTITIES - min(meant, MAX_ENTITIES)
    kept = []
    for span in spans:
        if span.kind in _CARRIES_MEANING:
            kept.append(span)
        elif room:
            room -= 1
            kept.append(span)
    return kept[:MAX_ENTITIES]


def _entity(span: Span, offsets: Sequence[int]) -> Json:
    entity: Json = {
        "type": span.kind,
        "offset": offsets[span.start],
        "length": offsets[span.end] - offsets[span.start],
    }
    field = _VALUE_FIELDS.get(span.kind)
    if field and span.value:
        entity[field] = span.value
    return entity


def _is_visible(text: str) -> bool:
    """True where Telegram sees a text: it refuses one that holds only spaces and format characters."""
    return any(not character.isspace() and unicodedata.category(character) != "Cf" for character in text)

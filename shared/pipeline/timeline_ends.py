"""The end of a timeline: what was sent, and what could not be handled. Pure, as `timeline_items` is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from shared.conversation.dead_letter_records import DeadLetter
from shared.conversation.outbox_records import Part
from shared.conversation.partition import Stored
from shared.conversation.states import DeadLetterState, PartState
from shared.pipeline.timeline_views import Item, Lane, Tone, many

_PART_TONES: Mapping[PartState, Tone] = {
    PartState.PENDING: Tone.WAITING,
    PartState.SENDING: Tone.WAITING,
    PartState.SENT: Tone.GOOD,
    PartState.REFUSED: Tone.BAD,
    PartState.DROPPED: Tone.BAD,
    PartState.UNCERTAIN: Tone.BAD,
}
_GIVEN_UP = (PartState.REFUSED, PartState.DROPPED, PartState.UNCERTAIN)
_LONGEST_REASON = 400


def sent(
    stored: Stored[Part], *, parts: Sequence[Stored[Part]], letters: Sequence[Stored[DeadLetter]]
) -> Iterator[Item]:
    """A part on its way out; `parts` and `letters` are those of its event."""
    part = stored.record
    begun = part.at or part.tried_at or part.sent_at
    if begun is None:  # older than the field, and never tried: there is no time to show it at
        return
    is_open = part.state in (PartState.PENDING, PartState.SENDING)
    details = [
        f"part {part.n} of the outbox",
        f"tried {many(part.attempt + 1, 'time')}" if part.attempt else "",
        f"of {many(part.unknown, 'try')} nobody knows whether it arrived" if part.unknown else "",
        "a second send may be a repeat" if part.repeat else "",
    ]
    words = part.payload.get("text")
    words = words if isinstance(words, str) else ""
    yield Item(
        lane=Lane.DELIVERY,
        at=begun,
        lasts=True,
        until=part.sent_at or _given_up_at(stored, parts, letters),
        open=is_open,
        what=f"{_name(part)}: {part.state}",
        tone=_PART_TONES.get(part.state, Tone.PLAIN),
        details=tuple(filter(None, details)),
        length=len(words),
        text=words,
    )
    if part.tried_at and (part.attempt or part.unknown):
        yield Item(lane=Lane.DELIVERY, at=part.tried_at, what=f"{_name(part)}: first try", tone=Tone.WAITING)


def _name(part: Part) -> str:
    """What a part's message is, from the name that its stage gave it."""
    if part.message.startswith("stopped:"):
        return "what was stopped"
    last = part.message.rpartition(":")[2]
    names = {
        "reply": "reply",
        "asked": "question",
        "reminder": "question again",
        "expired": "notice of the end of a question",
        "answer": "answer",
        "waits": "notice of trouble",
        "handled": "notice that it works again",
    }
    return names.get(last, "notice" if part.notice else "message")


def _given_up_at(
    part: Stored[Part], parts: Sequence[Stored[Part]], letters: Sequence[Stored[DeadLetter]]
) -> datetime | None:
    """When a part was given up, or moved on: its dead letter knows, or that of another part of its message."""
    if part.record.state not in (*_GIVEN_UP, PartState.MOVED):
        return None
    same = {one.id for one in parts if one.record.message == part.record.message}
    for letter in letters:
        if letter.record.subject in same:
            replayed = part.record.state is PartState.MOVED and letter.record.actions
            return letter.record.actions[-1].at if replayed else letter.record.at
    return None


def dead(letter: DeadLetter) -> Iterator[Item]:
    """A dead letter: why, who knows, what was done about it."""
    failures = [(one.at, one.reason) for one in letter.earlier] + [(letter.at, letter.reason)]
    is_open = letter.state is DeadLetterState.OPEN
    yield Item(
        lane=Lane.DEAD_LETTERS,
        at=failures[0][0],
        lasts=True,
        until=None if is_open or not letter.actions else letter.actions[-1].at,
        open=is_open,
        what=f"dead letter about the {letter.about}: {letter.state}",
        tone=Tone.BAD if is_open else Tone.PLAIN,
        length=len(letter.words),
        text=letter.words,
    )
    for at, reason in failures:
        shown = _short(reason)
        yield Item(lane=Lane.DEAD_LETTERS, at=at, what="could not be handled", tone=Tone.BAD, details=(shown,))
    if letter.told_at:
        yield Item(lane=Lane.DEAD_LETTERS, at=letter.told_at, what="the person was told")
    for action in letter.actions:
        note = (_short(action.note),) if action.note else ()
        yield Item(lane=Lane.DEAD_LETTERS, at=action.at, what=f"{action.what} by {action.who}", details=note)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 1] + "…"

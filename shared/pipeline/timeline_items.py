"""From the records of a conversation to the items of its timeline. Pure: what it is given is all that it knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from shared.conversation.dead_letter_records import DeadLetter
from shared.conversation.outbox_records import Part
from shared.conversation.partition import Stored
from shared.conversation.records import Entry
from shared.conversation.run_records import EffectRecord, QuestionKind, QuestionRecord, Run, RunOwner, SegmentEnd
from shared.conversation.states import (
    EffectState,
    EntryState,
    QuestionState,
    RunState,
)
from shared.messages import InboundEvent, said
from shared.pipeline import timeline_ends
from shared.pipeline.timeline_views import LANES, Happened, Item, Lane, Tone, many

_SEGMENT_TONES: Mapping[SegmentEnd, Tone] = {
    SegmentEnd.FINISHED: Tone.GOOD,
    SegmentEnd.WAITS: Tone.WAITING,
    SegmentEnd.FAILED: Tone.BAD,
    SegmentEnd.LOST: Tone.BAD,
}
_SEGMENT_WORDS: Mapping[SegmentEnd, str] = {
    SegmentEnd.FINISHED: "finished",
    SegmentEnd.PAUSED: "its time was over",
    SegmentEnd.ASKED: "asked",
    SegmentEnd.WAITS: "something was away",
    SegmentEnd.STOPPED: "stopped",
    SegmentEnd.FAILED: "failed",
    SegmentEnd.LOST: "broke off",
}
_RUN_TONES: Mapping[RunState, Tone] = {
    RunState.FINISHED: Tone.GOOD,
    RunState.WAITING: Tone.WAITING,
    RunState.FAILED: Tone.BAD,
}
_EFFECT_TONES: Mapping[EffectState, Tone] = {EffectState.DONE: Tone.GOOD, EffectState.UNCERTAIN: Tone.BAD}
_ASKS: Mapping[QuestionKind, str] = {
    QuestionKind.APPROVAL: "asks for approval",
    QuestionKind.CHOICE: "asks for a choice",
    QuestionKind.TEXT: "asks for words",
    QuestionKind.UNCERTAIN: "asks about a call that may have happened",
    QuestionKind.REVISION: "asks whether to go on as it was changed",
}


@dataclass(slots=True)
class Belongings:
    """An event with the records that belong to it."""

    event: InboundEvent | None = None
    entry: Entry | None = None
    run: Run | None = None
    taken_by: str = ""
    """The event of the run that took it in."""
    questions: list[Stored[QuestionRecord]] = field(default_factory=list)
    effects: list[EffectRecord] = field(default_factory=list)
    parts: list[Stored[Part]] = field(default_factory=list)
    letters: list[Stored[DeadLetter]] = field(default_factory=list)


def happened(belongings: Belongings, *, text: bool) -> Happened:
    """What happened to an event, in the order of time; `text`: with what people and the assistant wrote."""
    items = [one if text else one.model_copy(update={"text": ""}) for one in _items(belongings)]
    items.sort(key=lambda one: (one.at, LANES.index(one.lane)))
    event, entry = belongings.event, belongings.entry
    words = said(event) if event else ""
    return Happened(
        event=event.id if event else "",
        number=entry.n if entry else None,
        kind=event.kind if event else None,
        state=entry.state if entry else "",
        at=event.received_at if event else items[0].at,
        length=len(words),
        text=words if text else "",
        items=tuple(items),
    )


def _items(of: Belongings) -> Iterator[Item]:
    if of.event:
        yield from _intake(of.event, of.entry)
    if of.entry:
        yield from _turn(of.entry, of.run, of.taken_by)
    if of.run:
        yield _run(of.run)
        yield from _segments(of.run)
    for question in of.questions:
        yield from _question(question.record, of.run)
    for effect in of.effects:
        yield _effect(effect)
    for part in of.parts:
        yield from timeline_ends.sent(part, parts=of.parts, letters=of.letters)
    for letter in of.letters:
        yield from timeline_ends.dead(letter.record)


def _intake(event: InboundEvent, entry: Entry | None) -> Iterator[Item]:
    if event.sent_at:
        yield Item(lane=Lane.INTAKE, at=event.sent_at, what="sent, by the platform's clock")
    details = [f"{event.kind} on {event.channel}"]
    if event.attachments:
        sizes = ", ".join(f"{one.media_type} of {one.size or 'unknown'} bytes" for one in event.attachments)
        details.append(f"with {len(event.attachments)} files: {sizes}")
    if event.late:
        details.append("late: it came from a dead-letter queue")
    arrived = entry.arrived_at if entry else None
    yield Item(
        lane=Lane.INTAKE,
        at=event.received_at,
        lasts=arrived is not None,
        until=arrived,
        what="received, and put into the mailbox" if arrived else "received",
        details=tuple(details),
    )


def _turn(entry: Entry, run: Run | None, taken_by: str) -> Iterator[Item]:
    """How an entry waited for its turn, and what became of one that got none of its own."""
    waits = Item(lane=Lane.TURN, at=entry.arrived_at, lasts=True, what="waits for its turn", tone=Tone.WAITING)
    if run:
        yield waits.model_copy(update={"until": max(run.started_at, entry.arrived_at), "what": "waited for its turn"})
    elif entry.state in (EntryState.PENDING, EntryState.WAITING):
        yield waits.model_copy(update={"open": True})
    elif entry.ended_at == entry.arrived_at:
        yield Item(lane=Lane.TURN, at=entry.arrived_at, what="needed no turn: dealt with on arrival", tone=Tone.GOOD)
    else:
        became = f"taken in by the run of {taken_by}" if taken_by else f"its entry was {entry.state}"
        yield waits.model_copy(update={"until": entry.ended_at, "what": became, "tone": Tone.PLAIN})
    if entry.state is EntryState.WAITING and entry.until:
        what = f"is tried again, after {entry.attempt} tries"
        yield Item(lane=Lane.TURN, at=entry.until, what=what, tone=Tone.WAITING)


def _run(run: Run) -> Item:
    is_open = run.finished_at is None
    details = [f"worked for {run.worked_seconds:.1f} s" if run.worked_seconds else ""]
    if run.model:
        details.append(
            f"{run.model}: {many(run.model_calls, 'call')}, {run.input_tokens} tokens in, {run.output_tokens} out"
        )
    details += [
        many(run.tool_calls, "tool call") if run.tool_calls else "",
        "handed over to an orchestration" if run.owner is RunOwner.DURABLE else "",
        f"took in {', '.join(run.taken)}" if run.taken else "",
        f"waits for something that is away, after {many(run.attempt, 'try')}" if run.until and run.attempt else "",
    ]
    return Item(
        lane=Lane.TURN,
        at=run.started_at,
        lasts=True,
        until=run.finished_at,
        open=is_open,
        what=f"run {'waits for an answer' if run.state is RunState.WAITING else run.state}",
        tone=_RUN_TONES.get(run.state, Tone.PLAIN),
        details=tuple(filter(None, details)),
        text="\n".join(run.lately),
    )


def _segments(run: Run) -> Iterator[Item]:
    for past in run.past:
        yield Item(
            lane=Lane.SEGMENTS,
            at=past.started_at,
            lasts=True,
            until=past.ended_at,
            what=f"segment {past.n}: {_SEGMENT_WORDS[past.end]}",
            tone=_SEGMENT_TONES.get(past.end, Tone.PLAIN),
            details=() if past.ended_at else ("its process died, or lost the lease: nobody wrote down when",),
        )
    if run.begun_at:
        number = run.past[-1].n + 1 if run.past else 1
        yield Item(lane=Lane.SEGMENTS, at=run.begun_at, lasts=True, open=True, what=f"segment {number}: works")
    if run.until and run.state is RunState.WORKING:
        yield Item(lane=Lane.SEGMENTS, at=run.until, what="is tried again", tone=Tone.WAITING)


def _question(question: QuestionRecord, run: Run | None) -> Iterator[Item]:
    answer, is_open = question.answer, question.state is QuestionState.OPEN
    kind = answer.value.get("type") if answer else None
    details = [
        f"for {question.tool}" if question.tool else "",
        f"in {question.routed.conversation}" if question.routed else "",
        f"answer: {kind}" if kind and question.state is QuestionState.ANSWERED else "",
        f"by {answer.event}" if answer and answer.event else "",
        f"nobody answered in time, so: {kind}" if question.state is QuestionState.EXPIRED else "",
    ]
    closed = run.finished_at if run and question.state is QuestionState.CLOSED else None
    words = f"{question.text}\n→ {answer.words}" if answer else question.text
    yield Item(
        lane=Lane.QUESTIONS,
        at=question.asked_at,
        lasts=True,
        until=answer.at if answer else closed,
        open=is_open,
        what=f"{_ASKS[question.about]}: {question.state}",
        tone=Tone.WAITING if is_open else Tone.GOOD if question.state is QuestionState.ANSWERED else Tone.PLAIN,
        details=tuple(filter(None, details)),
        length=len(question.text),
        text=words,
    )
    if is_open:
        if question.remind_at:
            yield Item(lane=Lane.QUESTIONS, at=question.remind_at, what="is asked again", tone=Tone.WAITING)
        yield Item(lane=Lane.QUESTIONS, at=question.expires_at, what="expires", tone=Tone.WAITING)


def _effect(effect: EffectRecord) -> Item:
    again = f", attempt {effect.attempt}" if effect.attempt > 1 else ""
    return Item(
        lane=Lane.EFFECTS,
        at=effect.started_at,
        lasts=True,
        until=effect.ended_at,
        open=effect.state is EffectState.STARTED,
        what=f"{effect.tool}: {effect.state.replace('_', ' ')}{again}",
        tone=_EFFECT_TONES.get(effect.state, Tone.PLAIN),
        details=(f"a {effect.effect} effect",),
        text="\n".join(filter(None, (effect.about, effect.why))),
    )


def rest(parts: Sequence[Stored[Part]], letters: Sequence[Stored[DeadLetter]]) -> Belongings | None:
    """What belongs to no event that is shown; None where there is nothing."""
    dated = [one for one in parts if one.record.at or one.record.tried_at or one.record.sent_at]
    return Belongings(parts=dated, letters=list(letters)) if dated or letters else None

"""What must hold at every commit, seen from the store: who wrote what, and which state followed which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.conversation.records import OUTBOX, RECORD
from shared.conversation.states import (
    OPEN_ENTRIES,
    START,
    TRANSITIONS,
    DeadLetterState,
    EffectState,
    EntryState,
    PartState,
    QuestionState,
    RunState,
)
from shared.ports import Partition
from shared.steps import Step
from tests.fakes.memory_store import Documents, Kept
from tests.property.outside import Outside

STATES: Mapping[str, type[StrEnum]] = {
    "entry": EntryState,
    "part": PartState,
    "run": RunState,
    "question": QuestionState,
    "effect": EffectState,
    "dead_letter": DeadLetterState,
}
FOLLOWS = {kind: {(str(a), str(b)) for a, b, _ in TRANSITIONS[states]} for kind, states in STATES.items()}
TAKES = {Step.TAKE_TURN: RECORD, Step.TAKE_SEGMENT: RECORD, Step.TAKE_PART: OUTBOX}
WORK = {
    RECORD: {
        Step.FINISH_TURN,
        Step.POSTPONE_TURN,
        Step.FAIL_TURN,
        Step.RELEASE_TURN,
        Step.STOP_WORK,
        Step.HAND_OVER,
        Step.END_SEGMENT,
        Step.ASK,
        Step.POSTPONE_RUN,
        Step.FINISH_RUN,
        Step.FAIL_RUN,
        Step.START_EFFECT,
        Step.FINISH_EFFECT,
    },
    OUTBOX: {Step.RECORD_PART, Step.POSTPONE_PART, Step.FAIL_PART},
}
"""Only the holder of that record's lease may do these."""
ENDED = (RunState.FINISHED, RunState.STOPPED, RunState.FAILED)
STARTS_OR_ENDS = (Step.START_EFFECT, Step.FINISH_TURN, Step.FINISH_RUN)
"""What may not be done for a run that was stopped before."""


class Laws:
    """Looks at every commit; `outside.wrong` collects what is not as it must be."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._holders: dict[tuple[Partition, str], str] = {}
        self.trace: list[str] = []

    def look(self, who: str, step: Step, partition: Partition, before: Documents, after: Documents) -> None:
        """A commit was done."""
        changed = {id: after[id].body for id in after if id not in before or before[id].etag != after[id].etag}
        self.trace.append(f"    {who} {step} {_short(changed)}")
        found = [*self._states(before, changed), *self._work(who, step, partition, before, after)]
        if RECORD in after:
            found += _stopped(step, before, changed)
            found += _consistent(after)
            found += _in_order(before, after, changed)
        self._outside.wrong += [f"{step} by {who}: {one}" for one in found]

    def _states(self, before: Documents, changed: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        for id, body in changed.items():
            states = FOLLOWS.get(body.get("kind", ""))
            if states is None:
                continue
            old = before[id].body if id in before else None
            was, now = (old["state"] if old else START), body["state"]
            if was != now and (was, now) not in states:
                yield f"{id} went from {was} to {now}"
            answer = body.get("answer")
            if old and old.get("answer") and old["answer"] != answer:
                yield f"{id} had an answer already: {old['answer']['value']}, now {answer}"
            answered = body["kind"] == "question" and was != now and now == QuestionState.ANSWERED
            if answered and answer["value"].get("type") == "repeat":
                self._outside.allowed[body["arguments"]["effect"]] += 1

    def _work(self, who: str, step: Step, partition: Partition, before: Documents, after: Documents) -> Iterator[str]:
        for head, steps in WORK.items():
            took = TAKES.get(step) == head and before[head].body["lease"]["epoch"] < after[head].body["lease"]["epoch"]
            if took:
                self._holders[partition, head] = who
            elif (step in steps or TAKES.get(step) == head) and self._holders.get((partition, head)) != who:
                yield f"the lease is held by {self._holders.get((partition, head))}"


def _stopped(step: Step, before: Documents, changed: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Nothing below a stop's number starts or ends well after the stop was accepted."""
    stop = before[RECORD].body.get("stop_before", 0) if RECORD in before else 0
    if step not in STARTS_OR_ENDS:
        return
    numbers = _numbers(before)
    for body in changed.values():
        if body.get("kind") == "run" and numbers[body["event"]] < stop:
            yield f"run {body['event']} was stopped before"


def _of(kind: str, documents: Documents) -> Iterator[Kept]:
    return (one for one in documents.values() if one.body.get("kind") == kind)


def _numbers(documents: Documents) -> dict[str, int]:
    """Each event's place in the mailbox. A run keeps the number that it had when it began; its event, replayed, has another."""
    return {one.body["event"]["id"]: one.body["n"] for one in _of("entry", documents)}


def _consistent(after: Documents) -> Iterator[str]:
    """The head says of entries and runs what they say themselves."""
    head = after[RECORD].body
    entries = [one.body for one in _of("entry", after)]
    open_ones = [one["n"] for one in entries if one["state"] in OPEN_ENTRIES]
    if head.get("waiting", 0) != len(open_ones):
        yield f"the head counts {head.get('waiting', 0)} open entries, there are {open_ones}"
    if any(n <= head.get("settled", 0) for n in open_ones):
        yield f"{open_ones} are open, {head['settled']} are settled"
    if len({one["n"] for one in entries}) < len(entries) or any(one["n"] > head["entries"] for one in entries):
        yield f"wrong numbers: {sorted(one['n'] for one in entries)} of {head['entries']}"
    runs = [one.body for one in _of("run", after)]
    numbers = _numbers(after)
    wanted = {
        (run["event"], numbers[run["event"]], run["state"] == RunState.WAITING)
        for run in runs
        if run["owner"] == "durable" and run["state"] not in ENDED
    }
    known = {(run["event"], run["entry"], run["waiting"]) for run in head.get("runs", ())}
    if wanted != known:
        yield f"the head knows the runs {sorted(known)}, there are {sorted(wanted)}"
    for one in _of("question", after):
        if one.body["state"] == QuestionState.OPEN and not any(run["event"] == one.body["run"] for run in head["runs"]):
            yield f"{one.body['run']} is over, and its question is open"


def _in_order(before: Documents, after: Documents, changed: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A turn begins with the lowest open entry, and while no other run works."""
    for id, body in changed.items():
        if body.get("kind") != "entry" or id not in before:
            continue
        if body.get("starts", 0) <= before[id].body.get("starts", 0):
            continue
        lower = [one.body["n"] for one in _of("entry", before) if one.body["state"] in OPEN_ENTRIES]
        if lower and min(lower) < body["n"]:
            yield f"entry {body['n']} begins before {min(lower)}"
        if working := [run["event"] for run in before[RECORD].body.get("runs", ()) if not run["waiting"]]:
            yield f"entry {body['n']} begins while {working} works"


def _short(changed: Mapping[str, Mapping[str, Any]]) -> str:
    words = []
    for id, body in changed.items():
        if id == RECORD:
            lease, runs = body["lease"], [run["event"][-6:] + "?" * run["waiting"] for run in body.get("runs", ())]
            until = datetime.fromisoformat(lease["until"]).time() if lease.get("until") else "free"
            words.append(
                f"head(epoch {lease['epoch']} {until}, {body['waiting']} open, stop {body['stop_before']}, {runs})"
            )
        else:
            words.append(f"{id[-28:]}={body.get('state', '')}{body.get('starts') or ''}")
    return " ".join(words)

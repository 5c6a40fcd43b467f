"""What must be true at the end of runs, questions and effects, whatever was killed or frozen meanwhile."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from local.durable.records import Status
from local.durable.storage import FILE as DURABLE_FILE
from shared.conversation.outbox_records import Part
from shared.conversation.partition import question_id
from shared.conversation.questions import BUTTON
from shared.conversation.run_records import EffectRecord, QuestionKind, QuestionRecord
from shared.conversation.states import EffectState, QuestionState, RunState
from shared.pipeline.run import ENDED
from tests.crash.traffic import Said
from tests.crash.webhooks import Webhooks

if TYPE_CHECKING:
    from tests.crash.truth import Documents

POST = re.compile(r'post "(.+)" to \S+')
KNOWN = (EffectState.DONE, EffectState.NOT_DONE, EffectState.DROPPED)
TOO_LATE = re.compile(r"already answered that|time to answer that was over|That question is over|not for you")
"""What somebody hears whose click settled nothing."""


def running(home: Path) -> list[str]:
    """Orchestrations that have not ended."""
    path = home / DURABLE_FILE
    if not path.exists():
        return []
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT id, status FROM instances").fetchall()
    except sqlite3.OperationalError:  # it is being made
        return []
    finally:
        connection.close()
    return [f"orchestration {instance} is {status}" for instance, status in rows if not Status(status).final]


def failed(home: Path) -> list[str]:
    """Orchestrations that ended with an error: their code raised."""
    connection = sqlite3.connect(f"file:{home / DURABLE_FILE}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT id, output FROM instances WHERE status=?", (Status.FAILED,)).fetchall()
    finally:
        connection.close()
    return [f"orchestration {instance} failed: {output}" for instance, output in rows]


def wrong_runs(kept: Documents) -> list[str]:
    """Every run ended, and none of its questions waits any more."""
    states = {run.event: run.state for run in kept.runs}
    found = [f"the run of {run.event} is {run.state}" for run in kept.runs if run.state not in ENDED]
    for question in kept.questions:
        if question.state is QuestionState.OPEN:
            found.append(f"a question waits: {question.text!r}")
        if question.state is QuestionState.CLOSED and states[question.run] not in (RunState.STOPPED, RunState.FAILED):
            found.append(f"a question was closed, and its run is {states[question.run]}: {question.text!r}")
        if question.answer and not question.taken_in:
            found.append(f"an answer was not taken in: {question.text!r}")
    return found + _asked_too_often(kept.questions)


def _asked_too_often(questions: Sequence[QuestionRecord]) -> list[str]:
    """A call is approved once; about its outcome, a person is asked once more after each repeat and each look."""
    by_call = defaultdict(list)
    for question in questions:
        by_call[question.run, question.call, question.about].append(question)
    found = []
    for (_, _, about), asked in by_call.items():
        again = sum(_said(question) in ("repeat", "check") for question in asked)
        if len(asked) > 1 + (again if about is QuestionKind.UNCERTAIN else 0):
            found.append(f"asked {len(asked)} times: {asked[0].text!r}")
    return found


def wrong_effects(kept: Documents, said: Iterable[Said], webhooks: Webhooks) -> list[str]:
    """Every effect is known, or somebody decided that it is left at that; it happened at most as often as they said."""
    states = {run.event: run.state for run in kept.runs}
    rows = defaultdict(list)
    for row in kept.effects:
        rows[row.run].append(row)
        if row.state not in KNOWN and states[row.run] not in (RunState.STOPPED, RunState.FAILED):
            found_state = f"an effect is {row.state}, and its run is {states[row.run]}: {row.about!r}"
            return [found_state]
    found = []
    for run, of_run in rows.items():
        asked = [one for one in kept.questions if one.run == run and one.about is QuestionKind.UNCERTAIN]
        repeats = sum(_said(one) == "repeat" for one in asked)
        if any(row.state is EffectState.DROPPED for row in of_run) and "drop" not in map(_said, asked):
            found.append(f"an effect was dropped, and nobody was asked: {of_run[0].about!r}")
        if any(row.attempt > 1 + repeats and row.tool == "post_webhook" for row in of_run):
            found.append(f"an effect was repeated, and nobody asked for it: {of_run[0].about!r}")
    for one in said:
        if posting := POST.fullmatch(one.text):
            found += _wrong_post(posting[1], one, rows[one.event], kept.questions, states, webhooks)
    return found


def _wrong_post(
    text: str,
    said: Said,
    rows: Sequence[EffectRecord],
    questions: Sequence[QuestionRecord],
    states: Mapping[str, RunState],
    webhooks: Webhooks,
) -> list[str]:
    came = webhooks.posted(text)
    repeats = sum(_said(one) == "repeat" for one in questions if one.run == said.event)
    found = []
    if len(came) > 1 + repeats:
        found.append(f"{text!r} was posted {len(came)} times, with {repeats} repeats")
    if len({one.key for one in came}) > 1:
        found.append(f"{text!r} was posted with different keys")
    if came and not rows:
        found.append(f"{text!r} was posted, and the ledger does not know it")
    if states.get(said.event) is RunState.FINISHED and len(rows) != 1:
        found.append(f"the run that posts {text!r} finished with {len(rows)} rows in the ledger")
    if any(row.state is EffectState.DONE for row in rows) and not came:
        found.append(f"{text!r} is done, and never came")
    return found


def wrong_questions(kept: Mapping[int, Documents], said: Iterable[Said]) -> list[str]:
    """Every question was put once where it belongs; the first answer counts; whoever is too late hears so."""
    parts = [part for one in kept.values() for part in one.parts]
    put = Counter(name for one in kept.values() for name in {part.message for part in one.parts})
    presses = defaultdict(list)
    for one in said:
        if one.pressed:
            presses[one.pressed.removeprefix(BUTTON).partition(":")[0]].append(one)
    found = []
    for question in (question for one in kept.values() for question in one.questions):
        name = f"{question_id(run=question.run, interrupt=question.interrupt, index=question.index)}:asked"
        if question.told and put[name] != (1 if question.routed is None else 2):
            found.append(f"put into {put[name]} conversations: {question.text!r}")
        clicks = [one.event for one in presses[question.token]]
        if question.answer and question.answer.event in clicks and question.answer.event != clicks[0]:
            found.append(f"the answer that counts is not the first one: {question.text!r}")
        late = [event for event in clicks if question.answer is None or event != question.answer.event]
        found += [f"not told that it came too late: {event}" for event in late if not _told(parts, event)]
    return found


def _told(parts: Sequence[Part], event: str) -> bool:
    return any(part.event == event and TOO_LATE.search(str(part.payload.get("text", ""))) for part in parts)


def _said(question: QuestionRecord) -> str:
    return str(question.answer.value.get("type", "")) if question.answer else ""

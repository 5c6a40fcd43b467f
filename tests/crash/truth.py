"""What must be true at the end, whatever was killed or frozen meanwhile: read from the store and from the platform."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from shared.channels.telegram.parts import REPEAT
from shared.clock import SystemClock
from shared.conversation.dead_letter_records import DeadLetter
from shared.conversation.outbox_records import PageItem, PageRole, Part
from shared.conversation.partition import ConversationPartition, entry_id
from shared.conversation.records import Entry
from shared.conversation.run_records import EffectRecord, QuestionRecord, Run
from shared.conversation.states import OPEN_ENTRIES, OPEN_PARTS, DeadLetterState, EntryState, PartState, RunState
from shared.messages import EventKind
from shared.pipeline.dead_letters import dead_letter_id
from shared.ports import Parts, Store
from shared.queues.sqlite import FILE as QUEUES_FILE
from shared.settings import Settings
from shared.storage.sqlite import build as build_store
from shared.topology import DEAD_LETTER_SUFFIX
from tests.crash import truth_runs
from tests.crash.traffic import Said, conversation
from tests.crash.webhooks import Webhooks
from tests.fakes import cosmos
from tests.fakes.cosmos import beside
from tests.fakes.cosmos.looking import look
from tests.fakes.telegram import FakeTelegram

KINDS = ("entry", "run", "part", "dead_letter", "question", "effect")
FAR = timedelta(days=3650)
MOST = 10_000
REPLY = "You said: "
REMIND = "remind me"
WISHES = (REMIND, "count to", "ask me", "post ", "forget", "what is", "away-later", "never-later", "/")
"""How texts begin whose reply is not their echo."""
ANSWERED = ("yes", "green")
"""Texts that answer a question, where one is open."""
ANSWERS = (":reply", ":answer")
"""How the names of messages end: of a turn's reply, and of a command's answer."""


def open_store(home: Path) -> Store:
    """The store of a data folder, for a process beside the host's."""
    if database := beside.database(home):
        return cosmos.store(database.url, key=database.key, database=database.name)
    settings = Settings(home=home)
    return build_store(
        Parts(settings=settings, environ={}, clock=SystemClock(), http=_none, files=_none, secrets=_none)
    )


def _none() -> None:
    raise AssertionError("the store needs nothing else")


@dataclass(frozen=True, slots=True)
class Documents:
    """Everything in one conversation's partition."""

    entries: Sequence[Entry]
    runs: Sequence[Run]
    parts: Sequence[Part]
    letters: Mapping[str, DeadLetter]
    questions: Sequence[QuestionRecord]
    effects: Sequence[EffectRecord]


async def documents(store: Store, chat: int) -> Documents:
    """Read a chat's partition."""
    key = ConversationPartition(store=store, tenant="main", conversation=conversation(chat)).key
    found = {kind: await store.query(partition=key, kind=kind, limit=MOST) for kind in KINDS}
    return Documents(
        entries=[Entry.model_validate(document.body) for document in found["entry"]],
        runs=[Run.model_validate(document.body) for document in found["run"]],
        parts=[Part.model_validate(document.body) for document in found["part"]],
        letters={document.id: DeadLetter.model_validate(document.body) for document in found["dead_letter"]},
        questions=[QuestionRecord.model_validate(document.body) for document in found["question"]],
        effects=[EffectRecord.model_validate(document.body) for document in found["effect"]],
    )


async def unfinished(store: Store, home: Path) -> list[str]:
    """What somebody must still act on: documents that are due at some time, messages of the queues, orchestrations."""
    page = await store.due(now=datetime.now(UTC) + FAR)
    left = [f"{document.partition.key} {document.id} until {document.body['wake_at']}" for document in page.documents]
    left += [f"{count} messages in {queue}" for queue, count in queued(home).items()]
    return left + truth_runs.running(home)


def queued(home: Path) -> dict[str, int]:
    """How many messages each queue holds, scheduled ones too."""
    connection = sqlite3.connect(f"file:{home / QUEUES_FILE}?mode=ro", uri=True)
    try:
        rows = connection.execute(
            "SELECT queue, count(*) FROM (SELECT queue FROM messages UNION ALL SELECT queue FROM scheduled) GROUP BY queue"
        ).fetchall()
    finally:
        connection.close()
    return dict(rows)


async def dead_letters(store: Store) -> list[DeadLetter]:
    """The open dead letters."""
    page = await store.dead_letters(tenant="main", limit=MOST)
    return [DeadLetter.model_validate(document.body) for document in page.documents]


def texts(telegram: FakeTelegram, chat: int) -> list[str]:
    """Every text that the platform took for a chat, in the order in which it took them; progress apart."""
    calls = [call for call in telegram.sent(chat) if not call.parameters.get("disable_notification")]
    return [str(call.parameters.get("text", "")) for call in calls]


def unlabelled(text: str) -> str:
    """A text without the words that it may be a repeat."""
    return text.removesuffix(REPEAT).rstrip()


def echoed(text: str) -> str | None:
    """What a reply of the demo model echoes; None for any other text."""
    return unlabelled(text).partition("\n")[0].removeprefix(REPLY) if text.startswith(REPLY) else None


async def complaints(
    store: Store, home: Path, telegram: FakeTelegram, webhooks: Webhooks, said: Iterable[Said]
) -> list[str]:
    """Everything that is not as promised; empty when all is well. What has no text could not be read and has no turn."""
    found: list[str] = [*telegram.violations, *truth_runs.failed(home)]
    by_chat: dict[int, list[Said]] = defaultdict(list)
    for one in said:
        if one.text or one.pressed:
            by_chat[one.chat].append(one)
    everything = {chat: await documents(store, chat) for chat in by_chat}
    for chat, in_order in by_chat.items():
        kept = everything[chat]
        taken = texts(telegram, chat)
        wrong = _wrong_entries(kept, in_order) + _wrong_ends(kept) + _wrong_sends(taken, kept)
        wrong += truth_runs.wrong_runs(kept) + truth_runs.wrong_effects(kept, in_order, webhooks)
        found += [f"chat {chat}: {one}" for one in wrong + _wrong_order(taken, kept, in_order)]
    everyone = [one for in_order in by_chat.values() for one in in_order]
    return found + truth_runs.wrong_questions(everything, everyone) + _wrong_pages(home)


def _wrong_entries(kept: Documents, in_order: Sequence[Said]) -> list[str]:
    """Every event entered its mailbox once, in the order in which it was sent; every reminder fired once.

    What an operator replayed has got a later number since.
    """
    place = {entry.event.id: entry.n for entry in kept.entries}
    found = [f"{one.text!r} is not in the mailbox" for one in in_order if one.event not in place]
    replayed = {entry.event.id for entry in kept.entries if entry.letter}
    numbers = [place[one.event] for one in in_order if one.event in place and one.event not in replayed]
    if numbers != sorted(numbers):
        found.append(f"events entered in the order {numbers}")
    if len(place) != len(kept.entries) or len(set(place.values())) != len(place):
        found.append("an event has two entries, or an entry's number was given twice")
    asked = sum(one.text.startswith(REMIND) for one in in_order)
    fired = sum(entry.event.kind is EventKind.REMINDER for entry in kept.entries)
    if asked != fired:
        found.append(f"{asked} reminders were set, {fired} fired")
    return found


def _wrong_ends(kept: Documents) -> list[str]:
    """Every entry came to its end: a turn of its own, another run's, a command's or a question's answer, or a stop.

    There is one reply to a run that finished, and none to one that was stopped or is dead.
    """
    found = [f"part {part.n} is {part.state}" for part in kept.parts if part.state in OPEN_PARTS]
    turns = Counter(run.event for run in kept.runs)
    ended = {run.event: run.state for run in kept.runs}
    taken_in = {event for run in kept.runs for event in run.taken}
    answers = Counter(
        event for event, name in {(part.event, part.message) for part in kept.parts} if name.endswith(ANSWERS)
    )
    found += [
        f"{count} parts have the key {key}"
        for key, count in Counter(part.key for part in kept.parts if part.state is not PartState.MOVED).items()
        if count > 1
    ]
    for entry in kept.entries:
        event = entry.event.id
        found += [
            f"{entry.event.text or entry.event.button!r} {wrong}"
            for wrong in _wrong_end(entry, ended.get(event), kept.letters, taken_in=event in taken_in)
        ]
        if turns[event] > 1:
            found.append(f"{entry.event.text!r} has {turns[event]} turns")
        least, most = _replies(entry, ended.get(event), taken_in=event in taken_in)
        if not least <= answers[event] <= most:
            found.append(f"{entry.event.text or entry.event.button!r} has {answers[event]} replies")
    return found


def _wrong_end(
    entry: Entry, run: RunState | None, letters: Mapping[str, DeadLetter], *, taken_in: bool
) -> Iterable[str]:
    dead, stopped = entry.state is EntryState.DEAD, entry.state is EntryState.STOPPED
    if entry.state in OPEN_ENTRIES:
        yield f"is {entry.state}"
    if run is None and not (_needs_no_turn(entry) or taken_in or stopped):
        yield "has no turn"
    if run is not None and (entry.event.text.startswith("/") or entry.event.kind is EventKind.PRESS):
        yield "has a turn"
    if run is not None and (run is RunState.FAILED) != dead:
        yield f"is {entry.state}, but its turn is {run}"
    if run is not None and stopped and run is not RunState.STOPPED:
        yield f"is {entry.state}, but its turn is {run}"
    letter = letters.get(entry.letter or dead_letter_id(entry_id(entry.event.id)))
    if dead and (letter is None or letter.state is not DeadLetterState.OPEN):
        yield "is dead, and no open dead letter says so"


def _replies(entry: Entry, run: RunState | None, *, taken_in: bool) -> tuple[int, int]:
    """How many replies there must be at least, and may be at most."""
    if entry.event.text == "/stop":
        return 0, 1  # who stops something says so for everything at once
    if entry.event.text in ANSWERED and run is None:
        return 1, 10  # `which one?`, with one message for each of them
    if taken_in or entry.state in (EntryState.DEAD, EntryState.STOPPED) or run is RunState.STOPPED:
        return 0, 0
    return 1, 1


def _needs_no_turn(entry: Entry) -> bool:
    event = entry.event
    return event.kind is EventKind.PRESS or event.text.startswith("/") or event.text in ANSWERED


def _wrong_sends(taken: Sequence[str], kept: Documents) -> list[str]:
    """Every part came to the platform, and came again only with the words that it may be a repeat.

    What was given up without knowing may have come, once.
    """
    sent = Counter(_text(part) for part in kept.parts if part.state is PartState.SENT)
    unknown = Counter(_text(part) for part in kept.parts if part.state is PartState.UNCERTAIN)
    came = Counter(unlabelled(text) for text in taken)
    without_a_word = Counter(text.rstrip() for text in taken if not text.endswith(REPEAT))
    found = [f"{text!r} came {came[text]} times, not {count}" for text, count in sent.items() if came[text] < count]
    most = sent + unknown
    return found + [f"{text!r} came again without a word" for text, n in without_a_word.items() if n > most[text]]


def _wrong_order(taken: Sequence[str], kept: Documents, in_order: Sequence[Said]) -> list[str]:
    """The replies that echo a text came, each for the first time, in the order in which the texts were sent."""
    first = list(dict.fromkeys(words for text in taken if (words := echoed(text)) is not None))
    finished = {run.event for run in kept.runs if run.state is RunState.FINISHED}
    refused = {part.event for part in kept.parts if part.state is PartState.REFUSED}
    refused |= {
        part.event for part in kept.parts if part.state is PartState.UNCERTAIN and echoed(_text(part)) not in first
    }
    expected = [one.text for one in in_order if one.event in finished - refused and not one.text.startswith(WISHES)]
    # Who answers a question late, twice in the same word, has two turns of their own: the second echo is the same text.
    expected = list(dict.fromkeys(expected))
    return [] if first == expected else [f"replies: expected {expected}, got {first}"]


def _wrong_pages(home: Path) -> list[str]:
    """On each web page, every message is followed by its reply, once, and the numbers have no gap."""
    found = []
    for partition, items in groupby(look(home, "page"), key=itemgetter(0)):
        page = [PageItem.model_validate(body) for _, body in items]
        said = [item.text for item in page if item.role is PageRole.PERSON]
        replies = [echoed(item.text) for item in page if item.role is PageRole.ASSISTANT]
        if said != replies or [item.n for item in page] != list(range(1, len(page) + 1)):
            found.append(f"page {partition}: {[(item.n, item.role, item.text) for item in page]}")
    return found


def _text(part: Part) -> str:
    return str(part.payload.get("text", "")).rstrip()


def dead_queues(home: Path) -> dict[str, int]:
    """What the broker gave up on, by queue."""
    return {queue: count for queue, count in queued(home).items() if queue.endswith(DEAD_LETTER_SUFFIX)}

"""What must be true at the end, whatever was killed or frozen meanwhile: read from the store and from the platform."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.channels.telegram.parts import REPEAT
from shared.clock import SystemClock
from shared.conversation.partition import ConversationPartition
from shared.conversation.records import DeadLetter, Entry, Part, Run
from shared.conversation.states import EntryState, PartState, RunState
from shared.ports import Parts, Store
from shared.queues.sqlite import FILE as QUEUES_FILE
from shared.settings import Settings
from shared.storage.sqlite import build as build_store
from shared.topology import DEAD_LETTER_SUFFIX
from tests.crash.traffic import Said, conversation
from tests.fakes.telegram import FakeTelegram

FAR = timedelta(days=3650)
MOST = 10_000
REPLY = "You said: "


def open_store(home: Path) -> Store:
    """The store of a data folder, for a process beside the host's."""
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


async def documents(store: Store, chat: int) -> Documents:
    """Read a chat's partition."""
    key = ConversationPartition(store=store, tenant="main", conversation=conversation(chat)).key
    found = {kind: await store.query(partition=key, kind=kind, limit=MOST) for kind in ("entry", "run", "part")}
    return Documents(
        entries=[Entry.model_validate(document.body) for document in found["entry"]],
        runs=[Run.model_validate(document.body) for document in found["run"]],
        parts=[Part.model_validate(document.body) for document in found["part"]],
    )


async def unfinished(store: Store, home: Path) -> list[str]:
    """What somebody must still act on: documents that are due at some time, and messages of the queues."""
    page = await store.due(now=datetime.now(UTC) + FAR)
    left = [f"{document.partition.key} {document.id} until {document.body['wake_at']}" for document in page.documents]
    return left + [f"{count} messages in {queue}" for queue, count in queued(home).items()]


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


async def complaints(store: Store, telegram: FakeTelegram, said: Iterable[Said]) -> list[str]:
    """Everything that is not as promised; empty when all is well. What has no text could not be read and has no turn."""
    found: list[str] = list(telegram.violations)
    by_chat: dict[int, list[Said]] = defaultdict(list)
    for one in said:
        if one.text:
            by_chat[one.chat].append(one)
    for chat, in_order in by_chat.items():
        kept = await documents(store, chat)
        found += [f"chat {chat}: {wrong}" for wrong in _wrong_in_store(kept, in_order)]
        found += [f"chat {chat}: {wrong}" for wrong in _wrong_at_platform(texts(telegram, chat), kept, in_order)]
    return found


def _wrong_in_store(kept: Documents, in_order: Sequence[Said]) -> list[str]:
    found = []
    place = {entry.event.id: entry for entry in kept.entries}
    numbers = [place[one.event].n for one in in_order if one.event in place]
    if numbers != sorted(numbers):
        found.append(f"events entered in the order {numbers}")
    if len(place) != len(kept.entries):
        found.append("an event has two entries")
    found += [f"{one.text!r} is not in the mailbox" for one in in_order if one.event not in place]
    found += [f"{entry.event.text!r} is {entry.state}" for entry in kept.entries if entry.state in _OPEN]
    runs = Counter(run.event for run in kept.runs)
    found += [f"{count} runs of {event}" for event, count in runs.items() if count != 1]
    ended = {run.event: run.state for run in kept.runs}
    for entry in kept.entries:
        expected = RunState.FAILED if entry.state is EntryState.DEAD else RunState.FINISHED
        if entry.event.id in ended and ended[entry.event.id] is not expected:
            found.append(f"{entry.event.text!r} is {entry.state}, but its turn is {ended[entry.event.id]}")
    replies = Counter(part.message for part in kept.parts if part.key.endswith(":reply:0"))
    found += [f"{count} replies named {name}" for name, count in replies.items() if count != 1]
    found += [f"part {part.n} is {part.state}" for part in kept.parts if part.state in _LEAVING]
    return found


_OPEN = (EntryState.PENDING, EntryState.WAITING)
_LEAVING = (PartState.PENDING, PartState.SENDING)


def _wrong_at_platform(taken: Sequence[str], kept: Documents, in_order: Sequence[Said]) -> list[str]:
    found = []
    seen: Counter[str] = Counter()
    first: list[str] = []
    for text in taken:
        words = echoed(text)
        if words is None:
            continue
        seen[words] += 1
        if seen[words] == 1:
            first.append(words)
        elif not text.endswith(REPEAT):
            found.append(f"{words!r} was sent again without a word")
    consumed = {run.event for run in kept.runs if run.state is RunState.FINISHED}
    refused = {part.event for part in kept.parts if part.state is PartState.REFUSED}
    expected = [one.text for one in in_order if one.event in consumed and one.event not in refused and _echoes(one)]
    if first != expected:
        found.append(f"replies: expected {expected}, got {first}")
    return found


def _echoes(said: Said) -> bool:
    return not said.text.startswith(("/", "remind"))


def dead_queues(home: Path) -> dict[str, int]:
    """What the broker gave up on, by queue."""
    return {queue: count for queue, count in queued(home).items() if queue.endswith(DEAD_LETTER_SUFFIX)}

"""Work that nobody waits for must not slow down those who wait: the time of a reply with and without a long backlog."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from asyncio.subprocess import Process
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import praxos, telegram
from benchmarks.driver import Load, talk
from benchmarks.processes import folder
from benchmarks.report import Figure, at_most
from shared import ids
from shared.app import App
from shared.conversation.states import EntryState
from shared.messages import EventKind, InboundEvent, Sender

BACKLOG = 10_000
"""Reminders that are due, each in a conversation of its own: each costs a turn."""
FIRST_CHAT = 1_000_000
AT_ONCE = 100
CONVERSATIONS = 10
TURNS = 20
PAUSE_SECONDS = 0.5
"""Between a reply and the next message: people who read."""


async def measure(rounds: int) -> list[Figure]:
    """Two hosts in turns; the one with the backlog stands still while the other is measured."""
    loaded: list[float] = []
    idle: list[float] = []
    async with folder() as home:
        await _fill(home)
        async with praxos.deployed(home=home) as busy, praxos.deployed() as quiet:
            for measured in range(-1, rounds):
                with _frozen(busy.processes[0]):
                    without = await _round(quiet)
                backlogged = await _round(busy)
                if measured >= 0:  # the first round warms both up
                    loaded.append(backlogged.percentile(95) * 1000)
                    idle.append(without.percentile(95) * 1000)
        left = _left(home)
        if not left:
            raise RuntimeError("the backlog was worked off before the last round ended")
        print(f"  {BACKLOG - left:,} of {BACKLOG:,} background messages were worked off meanwhile")
    return [
        Figure(
            name=f"p95 with {BACKLOG:,} background messages",
            unit="ms",
            ours=tuple(loaded),
            peer=tuple(idle),
            peer_name="without",
            target=at_most(1.2),
        )
    ]


async def _round(deployed: praxos.Praxos) -> Load:
    return await talk(deployed.say, conversations=range(CONVERSATIONS), turns=TURNS, pause=PAUSE_SECONDS)


@contextmanager
def _frozen(process: Process) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


async def _fill(home: Path) -> None:
    """Put the backlog into a data folder that no host runs on yet."""
    app = App(environ={"PRAXOS_HOME": str(home), "TELEGRAM_BOT_TOKEN": telegram.TOKEN, "TELEGRAM_WEBHOOK_SECRET": "x"})
    try:
        account = telegram.TOKEN.partition(":")[0]
        user = await app.people.admit(_event(account, EventKind.MESSAGE, chat=FIRST_CHAT, sender="1"))
        for first in range(FIRST_CHAT, FIRST_CHAT + BACKLOG, AT_ONCE):
            events = (_event(account, EventKind.REMINDER, chat=first + n, sender=user.id) for n in range(AT_ONCE))
            await asyncio.gather(*(app.intake.enter(event) for event in events))
    finally:
        await app.close()


def _event(account: str, kind: EventKind, *, chat: int, sender: str) -> InboundEvent:
    return InboundEvent(
        id=ids.event(tenant="main", channel="telegram", account=account, provider_id=f"{kind}-{chat}"),
        tenant="main",
        channel="telegram",
        account=account,
        chat=str(chat),
        kind=kind,
        sender=Sender(external_id=sender),
        text="water the plants",
        received_at=datetime.now(UTC),
    )


def _left(home: Path) -> int:
    with closing(sqlite3.connect(home / "store.db")) as connection:
        query = "SELECT count(*) FROM document WHERE kind = 'entry' AND state = ?"
        found: int = connection.execute(query, (EntryState.PENDING,)).fetchone()[0]
        return found

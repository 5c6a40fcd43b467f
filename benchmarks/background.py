"""What people notice of work that nobody waits for: 10,000 messages in `background` while they talk."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import praxos
from benchmarks.driver import talk
from benchmarks.processes import folder
from benchmarks.report import Row, middle
from shared import ids
from shared.app import App
from shared.conversation.mailbox import arrive
from shared.conversation.partition import ConversationPartition
from shared.messages import Bell, EventKind, InboundEvent, Sender
from shared.ports import QueueMessage
from shared.settings import Settings
from shared.steps import Step
from shared.topology import BACKGROUND

MESSAGES = 10_000
CONVERSATIONS = 20
TURNS = 10
ROUNDS = 5
PAUSE = 0.2
"""Seconds between a reply and the person's next message: people do not answer at once."""


async def fill(home: Path) -> None:
    """10,000 reminders that came due, each in a conversation of its own, each a whole turn."""
    app = App(environ={}, settings=Settings.model_validate({"PRAXOS_HOME": home}))
    now = datetime.now(UTC)

    async def one(n: int) -> QueueMessage:
        event = InboundEvent(
            id=ids.event(tenant="main", channel="telegram", account=praxos.ACCOUNT, provider_id=f"due-{n}"),
            tenant="main",
            channel="telegram",
            account=praxos.ACCOUNT,
            chat=str(1_000_000 + n),
            kind=EventKind.MESSAGE,
            sender=Sender(external_id=str(1_000_000 + n)),
            text=f"work {n}",
            received_at=now,
        )
        partition = ConversationPartition(store=app.store, tenant="main", conversation=event.conversation)
        await arrive(partition, event=event, decide=lambda _: None, render=lambda _: (), on_page=False, now=now)
        bell = Bell(tenant="main", conversation=event.conversation)
        return QueueMessage(body=bell.model_dump_json().encode(), id=ids.fresh())

    for begin in range(0, MESSAGES, 500):
        messages = await asyncio.gather(*(one(n) for n in range(begin, begin + 500)))
        await app.queue.send(step=Step.RING_TURN, queue=BACKGROUND, messages=messages)
    await app.close()


async def measure() -> list[Row]:
    """Alternate rounds on a deployment with a full background queue and on one without."""
    full: list[float] = []
    empty: list[float] = []
    async with folder() as home:
        await fill(home)
        async with praxos.deployed(home=home) as busy, praxos.deployed() as idle:
            for n in range(ROUNDS + 1):
                pair = [
                    (await talk(each.say, conversations=range(CONVERSATIONS), turns=TURNS, pause=PAUSE)).percentile(95)
                    for each in (busy, idle)
                ]
                if n:
                    full.append(pair[0])
                    empty.append(pair[1])
    ratios = [one / other for one, other in zip(full, empty, strict=True)]
    peer = middle(empty, "ms (empty)", scale=1e3, digits=1)
    name = f"95th percentile with {MESSAGES:,} messages in background"
    return [Row(name, middle(full, "ms", scale=1e3, digits=1), peer, ratios, target=1.2)]

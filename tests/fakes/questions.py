"""Questions without an agent: a run that waits, as documents, and a platform that keeps what it was told with its buttons."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from shared.agent.turn import Asked, AskKind
from shared.conversation.mailbox import head_of
from shared.conversation.partition import Stored, Transaction, question_id, run_id
from shared.conversation.records import OpenRun
from shared.conversation.run_records import QuestionRecord, Run, RunOwner
from shared.conversation.states import RunState
from shared.messages import Bell, EventKind, InboundEvent, OutboundMessage
from shared.steps import Step
from shared.topology import TURNS
from tests.fakes.channel import FakeChannel
from tests.fakes.world import World


class ButtonChannel(FakeChannel):
    """One part a message, with its buttons."""

    def render(self, *, message: OutboundMessage) -> Sequence[dict[str, Any]]:
        rows = [[(button.label, button.value) for button in row] for row in message.buttons]
        return [{"text": message.text, "buttons": rows}]


def approval(tool: str = "forget", **arguments: object) -> Asked:
    return Asked(
        interrupt="i1",
        index=0,
        call="c1",
        kind=AskKind.APPROVAL,
        tool=tool,
        arguments=arguments or {"everything": True},
        text="",
    )


def choice(*options: str, text: str = "Which city?") -> Asked:
    return Asked(
        interrupt="i2", index=0, call="c2", kind=AskKind.CHOICE, tool="ask", arguments={}, text=text, options=options
    )


def free(text: str = "What is it called?") -> Asked:
    return Asked(interrupt="i3", index=0, call="c3", kind=AskKind.TEXT, tool="ask", arguments={}, text=text)


def uncertain(text: str = "", tool: str = "post") -> Asked:
    return Asked(interrupt="i4", index=0, call="c4", kind=AskKind.UNCERTAIN, tool=tool, arguments={"a": 1}, text=text)


class Waiting:
    """A run of a person that waits for answers."""

    def __init__(self, world: World, *, event: InboundEvent, run: Run) -> None:
        self.world = world
        self.event = event
        self.run = run
        self.partition = world.app.rooms.partition(tenant="main", conversation=event.conversation)

    async def question(self, at: int = 0) -> QuestionRecord:
        return (await self.stored(at)).record

    async def stored(self, at: int = 0) -> Stored[QuestionRecord]:
        return (await self.partition.questions(entry=self.run.entry))[at]

    async def change(self, at: int = 0, **changes: Any) -> None:
        """Another process changes a question."""
        stored = await self.stored(at)
        transaction = Transaction()
        transaction.save(stored, stored.record.with_(**changes))
        await self.partition.commit(Step.ANSWER_QUESTION, transaction)

    async def look(self, at: int = 0) -> datetime | None:
        """Do what is due for a question."""
        return await self.world.app.question_times.due(self.partition, await self.stored(at))


async def ask(
    world: World,
    *asked: Asked,
    n: int | str = "run",
    chat: str = "chat",
    event: InboundEvent | None = None,
    **changes: Any,
) -> Waiting:
    """Write a run that waits at questions, as whoever runs it does."""
    event = event or world.say("please", n=n, chat=chat, **changes)
    user = await world.app.people.admit(event)
    partition = world.app.rooms.partition(tenant="main", conversation=event.conversation)
    head = await head_of(partition, event)
    entry = head.record.entries + 1
    run = Run(
        state=RunState.WAITING,
        owner=RunOwner.DURABLE,
        event=event.id,
        entry=entry,
        user=user.id,
        started_at=world.clock.now(),
    )
    made = await world.app.asking.prepare(partition=partition, run=run, event=event, user=user, asked=asked, known=[])
    names = [question_id(run=run.event, interrupt=one.interrupt, index=one.index) for one in made]
    open_run = OpenRun(
        event=event.id, entry=entry, since=world.clock.now(), about="please", waiting=True, asks=tuple(names)
    )
    transaction = Transaction()
    transaction.save(head, head.record.with_(entries=entry, settled=entry, runs=(*head.record.runs, open_run)))
    transaction.create(run_id(event.id), run)
    for name, one in zip(names, made, strict=True):
        transaction.create(name, one)
    await partition.commit(Step.ASK, transaction)
    return Waiting(world, event=event, run=run)


async def press(
    world: World, question: QuestionRecord, choice: str, *, n: int | str = "press", **changes: Any
) -> InboundEvent:
    return await world.arrive("", n=n, kind=EventKind.PRESS, button=f"q:{question.token}:{choice}", **changes)


async def heard(world: World, event: InboundEvent) -> list[str]:
    """What the assistant said to an event."""
    return [part.payload["text"] for part in await world.parts(event.chat) if part.event == event.id]


async def offered(world: World, chat: str = "chat") -> list[tuple[str, str]]:
    """The buttons under the messages of a conversation, with their values."""
    rows = [row for part in await world.parts(chat) for row in part.payload["buttons"]]
    return [(label, value) for row in rows for label, value in row]


async def rung(world: World) -> list[Bell]:
    """The bells about questions that were rung so far; each is given once."""
    found = []
    while messages := await world.app.broker.receive(queue=TURNS, limit=10):
        for message in messages:
            found.append(Bell.model_validate_json(message.body))
            await world.app.broker.complete(step=Step.SETTLE_TURNS, message=message)
    return [bell for bell in found if bell.subject]


def given(question: QuestionRecord) -> dict[str, object]:
    """What was answered; fails where nothing was."""
    assert question.answer is not None
    return question.answer.value

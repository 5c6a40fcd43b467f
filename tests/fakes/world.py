"""The whole pipeline in one process, without a host: stages are called by hand, one message after the other."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from shared.app import App
from shared.conversation.dead_letter_records import DeadLetter
from shared.conversation.outbox_records import OutboxRecord, Part
from shared.conversation.partition import ConversationPartition
from shared.conversation.records import ConversationRecord, Entry
from shared.messages import Bell, InboundEvent
from shared.pipeline.webhook import Inbound
from shared.ports import QueueMessage
from shared.settings import Settings
from shared.steps import Step
from shared.topology import BACKGROUND, DEAD_LETTERS, OUTBOUND, TURNS
from tests.fakes.assistant import FakeAssistant
from tests.fakes.channel import PART_LENGTH, FakeChannel, event
from tests.fakes.clock import ManualClock
from tests.fakes.orchestrations import FakeOrchestrations

BELLS = (TURNS, BACKGROUND, OUTBOUND, DEAD_LETTERS)


class World:
    """An App on a temporary folder, with a fake platform, a fake agent and a clock that is set."""

    def __init__(self, home: Path, *, channel: FakeChannel | None = None, **settings: Any) -> None:
        self.clock = ManualClock()
        self.channel = channel or FakeChannel()
        self.assistant = FakeAssistant()
        self.home = home
        self.orchestrations = FakeOrchestrations()
        self.settings = Settings.model_validate({"PRAXOS_HOME": home, "PRAXOS_LEASE_SECONDS": 30, **settings})
        self.app = self.instance()

    def instance(self) -> App:
        """Another process's view of the same data."""
        app = App(environ={}, settings=self.settings, clock=self.clock)
        app._channels["fake"] = self.channel

        async def assistant() -> FakeAssistant:
            return self.assistant

        app.orchestrations = self.orchestrations
        app.assistant = assistant  # type: ignore[method-assign, assignment]  # the seam that tests re-wire
        return app

    async def close(self) -> None:
        await self.app.close()

    def say(self, text: str, *, n: int | str = 1, **changes: Any) -> InboundEvent:
        return event(text, n=n, received_at=self.clock.now(), **changes)

    async def arrive(self, text: str, *, n: int | str = 1, **changes: Any) -> InboundEvent:
        """An event through intake, as the host would pass it."""
        made = self.say(text, n=n, **changes)
        await self.app.intake.receive(Inbound(event=made).model_dump_json().encode())
        return made

    async def settle(self, *, most: int = 200) -> list[str]:
        """Answer every bell that can be answered now; return the queues in the order in which they were rung."""
        rung: list[str] = []
        for _ in range(most):
            for queue in BELLS:
                messages = await self.app.broker.receive(queue=queue, limit=1)
                for message in messages:
                    rung.append(queue)
                    await self.handle(queue, message.body)
                    await self.app.broker.complete(step=Step.SETTLE_TURNS, message=message)
                if messages:
                    break
            else:
                if not await self.orchestrations.look(self.app.runs):
                    return rung
        raise AssertionError(f"the bells do not end: {rung[-20:]}")

    async def handle(self, queue: str, body: bytes) -> None:
        """One bell, as its function would answer it."""
        if queue == DEAD_LETTERS:
            await self.app.dead_letters.tell(body)
            return
        stage = {TURNS: self.app.turns, BACKGROUND: self.app.background, OUTBOUND: self.app.deliveries}[queue]
        await stage.answer(Bell.model_validate_json(body))

    async def ring(self, queue: str, bell: Bell) -> None:
        message = QueueMessage(body=bell.model_dump_json().encode(), id="again")
        await self.app.queue.send(step=Step.RING_TURN, queue=queue, messages=[message])

    def bell(self, chat: str = "chat") -> Bell:
        return Bell(tenant="main", conversation=self.partition(chat).id)

    async def pass_(self, *, seconds: float) -> list[str]:
        """Let time pass, sweep, and answer what rings then."""
        self.clock.pass_(seconds=seconds)
        self.orchestrations.pass_(self.clock.now())
        await self.app.sweeper.sweep()
        return await self.settle()

    # --- looking ---

    def partition(self, chat: str = "chat") -> ConversationPartition:
        conversation = self.say("", chat=chat).conversation
        return ConversationPartition(store=self.app.store, tenant="main", conversation=conversation)

    async def record(self, chat: str = "chat") -> ConversationRecord:
        found = await self.partition(chat).record()
        assert found is not None
        return found.record

    async def outbox(self, chat: str = "chat") -> OutboxRecord:
        return (await self.partition(chat).outbox()).record

    async def entry(self, made: InboundEvent) -> Entry:
        found = await self.partition(made.chat).entry(made.id)
        assert found is not None
        return found.record

    async def parts(self, chat: str = "chat") -> list[Part]:
        return [part.record for part in await self.partition(chat).parts(after=0, limit=100)]

    async def letters(self) -> list[DeadLetter]:
        page = await self.app.store.dead_letters(tenant="main")
        return [DeadLetter.model_validate(document.body) for document in page.documents]

    @property
    def texts(self) -> list[str]:
        return [sent.text for sent in self.channel.sent]

    @property
    def messages(self) -> list[str]:
        """What was said, with the parts of each message joined again: only its last part is shorter than the rest."""
        joined: list[str] = []
        goes_on = False
        for text in self.texts:
            if goes_on:
                joined[-1] += text
            else:
                joined.append(text)
            goes_on = len(text) == PART_LENGTH
        return joined

    def in_(self, seconds: float) -> datetime:
        return self.clock.now() + timedelta(seconds=seconds)

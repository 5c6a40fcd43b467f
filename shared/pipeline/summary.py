"""Summaries: what was said longer ago is kept in short, so that the cost of a turn does not grow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from shared.agent.turn import Said
from shared.conversation.partition import Transaction
from shared.messages import Bell, Conflict, Permanent, Transient
from shared.pipeline.history import said
from shared.pipeline.rooms import Rooms
from shared.settings import Settings
from shared.steps import Step
from shared.telemetry import bind, logger, span

log = logger(__name__)

AT_ONCE = 100
"""The most messages that are summarised at once."""


class Summariser(Protocol):
    """What this stage needs of the agent."""

    async def summarise(self, *, summary: str, said: Sequence[Said]) -> str:
        """The old summary and older messages, as a new summary."""


class Summaries:
    """Keeps running summaries. They are derived from the messages, so a plain condition on the record is enough."""

    def __init__(self, *, rooms: Rooms, assistant: Callable[[], Awaitable[Summariser]], settings: Settings) -> None:
        self._rooms = rooms
        self._assistant = assistant
        self._settings = settings

    async def answer(self, bell: Bell) -> None:
        """Summarise what is older than the messages that a turn sees word for word."""
        with (
            bind(conversation=bell.conversation, tenant=bell.tenant, traceparent=bell.traceparent),
            span("summary", parent=bell),
        ):
            await self._summarise(bell)

    async def _summarise(self, bell: Bell) -> None:
        partition = self._rooms.partition(tenant=bell.tenant, conversation=bell.conversation)
        head = await partition.record()
        if head is None:
            return
        record = head.record
        upto = min(record.messages - self._settings.history_messages, record.summarised + AT_ONCE)
        if upto - record.summarised < self._settings.history_messages:
            return
        older = await partition.messages(after=record.summarised, before=upto + 1, limit=AT_ONCE)
        lines = [said(message) for message in older if message.generation == record.generation]
        try:
            assistant = await self._assistant()
            summary = await assistant.summarise(summary=record.summary, said=lines) if lines else record.summary
        except (Transient, Permanent) as trouble:
            # The next turn that finds too much history rings again.
            log.warning("not summarised", extra={"fields": {"trouble": str(trouble)}})
            return
        while True:
            head = await partition.record()
            now = head.record if head else record
            if head is None or (now.generation, now.summarised) != (record.generation, record.summarised):
                return
            transaction = Transaction()
            transaction.save(head, now.with_(summary=summary, summarised=upto))
            try:
                await partition.commit(Step.SUMMARISE, transaction)
            except Conflict:
                continue
            return

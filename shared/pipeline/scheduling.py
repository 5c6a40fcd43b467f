"""The schedules stage: a reminder that is due becomes an event in its conversation, then moves on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydantic import ValidationError

from shared import ids
from shared.conversation.mailbox import Arrival
from shared.conversation.reminders import RING, ReminderRecord, advance
from shared.messages import EventKind, InboundEvent, Permanent, Sender
from shared.pipeline.dead_letters import DeadLetters
from shared.ports import Clock, Document, Store
from shared.telemetry import bind, span, started

PAGES = 50
"""How many pages are fired at most; the next tick goes on."""

Enter = Callable[[InboundEvent], Awaitable[Arrival]]
"""Puts an event into its mailbox and rings for its turn."""


class Schedules:
    """Fires reminders. First the event, then the reminder's next date: a crash between them fires the same event."""

    def __init__(self, *, store: Store, enter: Enter, dead_letters: DeadLetters, clock: Clock) -> None:
        self._store = store
        self._enter = enter
        self._dead_letters = dead_letters
        self._clock = clock

    async def fire(self) -> int:
        """Fire what is due; return how many."""
        fired = 0
        for _ in range(PAGES):
            # What fired is no longer due, so the first page is always the next one.
            page = await self._store.due(now=self._clock.now(), rings=(RING,))
            for document in page.documents:
                await self._fire(document)
            fired += len(page.documents)
            if not page.continuation:
                break
        return fired

    async def _fire(self, document: Document) -> None:
        try:
            reminder = ReminderRecord.model_validate(document.body)
            with span("schedule", kind="producer", root=True) as current:
                event = self._event(document, reminder)
                current.set({"praxos.event": event.id, "praxos.conversation": event.conversation})
                with bind(event=event.id, conversation=event.conversation, traceparent=event.traceparent):
                    await self._enter(event)
        except (ValidationError, Permanent) as trouble:
            # One reminder that can never fire must not hold up those behind it.
            reason = str(trouble) if isinstance(trouble, Permanent) else f"not one of our reminders: {trouble.title}"
            await self._dead_letters.unfired(document, reason=reason)
            return
        await advance(self._store, document, self._clock.now())

    def _event(self, document: Document, reminder: ReminderRecord) -> InboundEvent:
        address = reminder.address
        due = reminder.due_at.strftime("%Y%m%dT%H%M%SZ")
        return InboundEvent(
            id=ids.event(
                tenant=address.tenant,
                channel=address.channel,
                account=address.account,
                provider_id=f"{document.id}~{due}",
            ),
            tenant=address.tenant,
            channel=address.channel,
            account=address.account,
            chat=address.chat,
            thread=address.thread,
            kind=EventKind.REMINDER,
            sender=Sender(external_id=reminder.user),
            text=reminder.text,
            received_at=self._clock.now(),
            **started(),
        )

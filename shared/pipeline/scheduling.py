"""The schedules stage: a reminder that is due becomes an event in its conversation, then moves on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from shared import ids
from shared.conversation.mailbox import Arrival
from shared.conversation.reminders import RING, ReminderRecord, advance
from shared.messages import EventKind, InboundEvent, Permanent, Sender
from shared.ports import Clock, Document, Store
from shared.telemetry import bind, logger, new_traceparent

log = logger(__name__)

Enter = Callable[[InboundEvent], Awaitable[Arrival]]
"""Puts an event into its mailbox and rings for its turn."""


class Schedules:
    """Fires reminders. First the event, then the reminder's next date: a crash between them fires the same event."""

    def __init__(self, *, store: Store, enter: Enter, clock: Clock) -> None:
        self._store = store
        self._enter = enter
        self._clock = clock

    async def fire(self) -> int:
        """Fire what is due; return how many."""
        fired = 0
        continuation = ""
        while True:
            page = await self._store.due(now=self._clock.now(), rings=(RING,), continuation=continuation)
            for document in page.documents:
                await self._fire(document)
            fired += len(page.documents)
            if not page.continuation:
                return fired
            # What fired is no longer due, so the next page is the first one again.
            continuation = ""

    async def _fire(self, document: Document) -> None:
        reminder = ReminderRecord.model_validate(document.body)
        address = reminder.address
        due = reminder.due_at.strftime("%Y%m%dT%H%M%SZ")
        event = InboundEvent(
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
            traceparent=new_traceparent(),
        )
        with bind(event=event.id, conversation=event.conversation, traceparent=event.traceparent):
            try:
                await self._enter(event)
            except Permanent as trouble:
                log.error("reminder not told", extra={"fields": {"reason": str(trouble)}})
            await advance(self._store, document, self._clock.now())

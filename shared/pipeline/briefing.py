"""What the agent is told of a run: who asks for what, what was said before, and what its tools may lean on."""

from __future__ import annotations

from collections.abc import Callable

from shared.access.people import People
from shared.access.preferences import UserPreferences
from shared.access.records import User
from shared.agent.turn import Question
from shared.conversation.records import Entry
from shared.conversation.reminders import UserReminders
from shared.messages import Address, EventKind, InboundEvent, said
from shared.pipeline.history import Histories
from shared.pipeline.media import Media
from shared.pipeline.rooms import Room
from shared.pipeline.work import Work
from shared.ports import Clock, Files, Memory, Store, ToolContext
from shared.settings import Settings


class Briefing:
    """Makes the agent's questions of events."""

    def __init__(
        self,
        *,
        people: People,
        memory: Callable[[str], Memory],
        store: Store,
        files: Files,
        histories: Histories,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._people = people
        self._memory = memory
        self._store = store
        self._files = files
        self._media = Media(files=files)
        self._clock = clock
        self._settings = settings
        self._histories = histories

    async def question(self, room: Room, work: Work, user: User) -> tuple[Question, InboundEvent]:
        """What a run is about, and its event with the files fetched. Raises Transient where they cannot be had now."""
        event = await self._fetched(room, work.entry.record.event)
        record, generation = work.hold.stored.record, work.entry.record.generation
        history = await self._histories.read(room.partition, record=record, generation=generation)
        question = Question(
            event=event.id,
            text=_text(event),
            attachments=event.attachments,
            person=user.name or event.sender.name,
            language=user.language or event.sender.language,
            channel=event.channel,
            reminder=event.kind is EventKind.REMINDER,
            history=history,
            summary=record.summary if record.generation == generation else "",
            context=self._context(event, record.address, user),
        )
        return question, event

    async def arrived(self, room: Room, first: Question, entry: Entry) -> Question:
        """What came in while the run works, as the agent takes it in."""
        event = await self._fetched(room, entry.event)
        return Question(
            event=event.id,
            text=_text(event),
            attachments=event.attachments,
            person=first.person,
            language=first.language,
            channel=first.channel,
            reminder=False,
            history=(),
            summary="",
            context=first.context,
        )

    async def _fetched(self, room: Room, event: InboundEvent) -> InboundEvent:
        if not event.attachments:
            return event
        return event.model_copy(update={"attachments": await self._media.fetch(room, event)})

    def _context(self, event: InboundEvent, address: Address, user: User) -> Callable[[str], ToolContext]:
        zone = user.time_zone or event.sender.time_zone or self._settings.time_zone
        reminders = UserReminders(
            store=self._store,
            clock=self._clock,
            tenant=self._settings.tenant,
            user=user.id,
            address=address,
            time_zone=zone,
        )
        memory = self._memory(user.id)
        preferences = UserPreferences(people=self._people, user=user.id)

        def context(position: str) -> ToolContext:
            return ToolContext(
                key=f"{event.id}#{position}",
                now=self._clock.now(),
                time_zone=zone,
                user=user.id,
                conversation=address.conversation,
                reminders=reminders,
                memory=memory,
                preferences=preferences,
                files=self._files,
                attachments=event.attachments,
            )

        return context


def _text(event: InboundEvent) -> str:
    text = said(event)
    return f"(I edited an earlier message. It now says:)\n{text}" if event.kind is EventKind.EDITED else text

"""What a turn does between taking its entry and recording its end: who asks, may they, and the agent's answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from shared.access.people import People
from shared.access.preferences import UserPreferences
from shared.access.records import User
from shared.agent.turn import Answer, Control, Question
from shared.conversation.lease import Hold
from shared.conversation.partition import ConversationPartition, Stored
from shared.conversation.records import KEEP_FINISHED, ConversationRecord, Entry, Run
from shared.conversation.reminders import UserReminders
from shared.messages import Address, Attachment, BudgetSpent, EventKind, InboundEvent, OutboundMessage, clean
from shared.pipeline import words
from shared.pipeline.commands import said
from shared.pipeline.history import Histories
from shared.pipeline.media import Media
from shared.pipeline.progress import ProgressDisplay
from shared.pipeline.rooms import Room
from shared.ports import Clock, Files, Limits, Memory, Store, ToolContext
from shared.settings import Settings

FRESH = 0.2
"""Seconds for which what was read of the record still counts as read before a step."""
GRACE = 5.0
"""Seconds past its budget after which a turn is cut, where the agent did not stop by itself."""
LONGEST_REPLY = 60_000
"""Characters; more than fifteen messages on Telegram."""
SHOWN_OF_LONG = 2_000
WINDOW = 3
"""How many times the history's length is read at most, while older messages wait to be summarised."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a turn came to. No message: nothing is said. No answer: the agent was not asked."""

    message: OutboundMessage | None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """An entry whose turn was begun, and its run."""

    entry: Stored[Entry]
    run: Stored[Run]


class Assistant(Protocol):
    """What a turn needs of the agent, which is loaded on first use because its libraries are heavy."""

    async def answer(self, *, question: Question, control: Control) -> Answer:
        """Answer a question."""


class TurnControl:
    """The agent's Control: before each step it looks whether the turn is still ours."""

    def __init__(
        self, *, hold: Hold[ConversationRecord], clock: Clock, deadline: float, display: ProgressDisplay | None
    ):
        self.deadline = deadline
        self._hold = hold
        self._clock = clock
        self._display = display

    async def before_step(self) -> None:
        """Raise LeaseLost when the turn is no longer ours."""
        if self._clock.monotonic() - self._hold.seen_at > FRESH:
            await self._hold.refresh()
        self._hold.assert_running()

    async def progress(self, text: str) -> None:
        """Show what is being done."""
        if self._display:
            self._display.say(text)


class TurnWork:
    """Answers entries."""

    def __init__(
        self,
        *,
        people: People,
        limits: Limits,
        assistant: Callable[[], Awaitable[Assistant]],
        memory: Callable[[str], Memory],
        store: Store,
        files: Files,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._people = people
        self._limits = limits
        self._assistant = assistant
        self._memory = memory
        self._store = store
        self._files = files
        self._media = Media(files=files)
        self._clock = clock
        self._settings = settings
        self._histories = Histories(limit=settings.history_messages * WINDOW)

    async def answer(self, room: Room, hold: Hold[ConversationRecord], entry: Entry) -> Spoken:
        """Answer one entry. Raises Transient or Permanent as trouble has it, and LeaseLost."""
        event = entry.event
        standing = await self._people.standing(event)
        if not standing.allowed or standing.user is None:
            return Spoken(None if standing.silent else OutboundMessage(text=words.REFUSED))
        refusal = await self._limits.refusal(user=standing.user.id, action="turn")
        if refusal:
            return Spoken(OutboundMessage(text=refusal))
        assistant = await self._assistant()
        entry = entry.with_(event=event.model_copy(update={"attachments": await self._media.fetch(room, event)}))
        question = await self._question(room.partition, hold.stored.record, entry, standing.user)
        display = None
        if event.kind is not EventKind.REMINDER:
            display = ProgressDisplay(room=room, address=hold.stored.record.address, clock=self._clock)
        deadline = self._clock.monotonic() + self._settings.turn_seconds
        control = TurnControl(hold=hold, clock=self._clock, deadline=deadline, display=display)
        try:
            async with asyncio.timeout(self._settings.turn_seconds + GRACE):
                answer = await assistant.answer(question=question, control=control)
        except TimeoutError:
            raise BudgetSpent(f"cut after {self._settings.turn_seconds:g} s") from None
        finally:
            if display:
                await display.stop()
        return Spoken(await self._reply(event, answer), answer)

    async def _reply(self, event: InboundEvent, answer: Answer) -> OutboundMessage:
        """The answer as a message; one that nobody would scroll through comes as a file."""
        text = clean(answer.text)
        attachments = tuple(answer.attachments)
        if len(text) > LONGEST_REPLY:
            stored = await self._files.put(
                owner=event.conversation,
                name="reply.md",
                media_type="text/markdown",
                content=text.encode(),
                keep=timedelta(seconds=KEEP_FINISHED),
            )
            whole = Attachment(name=stored.name, media_type=stored.media_type, size=stored.size, file=stored.id)
            text = f"{text[:SHOWN_OF_LONG]}…\n\n{words.REST_IN_FILE}"
            attachments = (*attachments, whole)
        return OutboundMessage(text=text, attachments=attachments, reply_to=event.message if event.group else "")

    async def _question(
        self, partition: ConversationPartition, record: ConversationRecord, entry: Entry, user: User
    ) -> Question:
        event = entry.event
        history = await self._histories.read(partition, record=record, generation=entry.generation)
        return Question(
            event=event.id,
            text=_text(event),
            attachments=event.attachments,
            person=user.name or event.sender.name,
            language=user.language or event.sender.language,
            channel=event.channel,
            reminder=event.kind is EventKind.REMINDER,
            history=history,
            summary=record.summary if record.generation == entry.generation else "",
            context=self._context(event, record.address, user),
        )

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

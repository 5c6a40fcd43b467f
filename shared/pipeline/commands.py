"""What each command does. Commands are answered on arrival, so that a working turn holds up none of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from shared import commands
from shared.access.linking import Linked, Linking, Outcome
from shared.access.people import People
from shared.access.records import Role
from shared.conversation.mailbox import Decide, Settled
from shared.conversation.outbox import Outgoing
from shared.conversation.partition import ConversationPartition
from shared.conversation.records import PROGRESS, ConversationRecord, ProgressRecord
from shared.messages import EventKind, InboundEvent, OutboundMessage
from shared.pipeline import words
from shared.ports import Clock

MoveReminders = Callable[[str, str], Awaitable[None]]
"""Moves what belongs to one user (the first id) to another."""


def said(event: InboundEvent) -> str:
    """The text that an event stands for: what was typed, or what a `say:` button says."""
    if event.kind is EventKind.PRESS and event.button.startswith("say:"):
        return event.button.removeprefix("say:")
    return event.text


class Commands:
    """Recognises and answers commands."""

    def __init__(
        self, *, people: People, linking: Linking, clock: Clock, model: Callable[[], str], move: MoveReminders
    ) -> None:
        self._people = people
        self._linking = linking
        self._clock = clock
        self._model = model
        self._move = move

    async def decision(self, partition: ConversationPartition, event: InboundEvent) -> Decide | None:
        """How a command is settled; None where the event is none. Does what lies outside the conversation first."""
        if event.kind not in (EventKind.MESSAGE, EventKind.PRESS):
            return None
        command = commands.recognise(said(event).strip())
        if command is None:
            return None
        match command.name:
            case "link":
                return _answer(event, await self._link(event, command.argument))
            case "claim":
                return _answer(event, await self._claim(event, command.argument))
        user = await self._people.recognise(event)
        standing = await self._people.standing(event) if user else None
        if standing and not standing.allowed:
            return _answer(event, None if standing.silent else words.REFUSED)
        if command.name == "new":
            return lambda record: Settled(
                {"generation": record.generation + 1, "summary": "", "summarised": record.messages},
                [_notice(event, OutboundMessage(text=words.NEW_CONVERSATION))],
            )
        if command.name == "status":
            return await self._status(partition, event)
        return lambda _: Settled({}, [_notice(event, words.help_text())])

    async def _status(self, partition: ConversationPartition, event: InboundEvent) -> Decide:
        progress = await partition.load(PROGRESS, ProgressRecord)

        def decide(record: ConversationRecord) -> Settled:
            since = record.working_since
            text = words.status(
                working_for=self._clock.now() - since if since else None,
                waiting=record.waiting,
                model=self._model(),
                doing=progress.record.text if progress and since else "",
            )
            return Settled({}, [_notice(event, OutboundMessage(text=text))])

        return decide

    async def _link(self, event: InboundEvent, code: str) -> str | None:
        if not code:
            user = await self._people.recognise(event)
            if user is None:
                standing = await self._people.standing(event)
                user = standing.user if standing.allowed else None
            if user is None or user.role is Role.BLOCKED:
                return words.LINK_NEEDS_PERSON
            return words.link_code(await self._linking.issue(user))
        linked = await self._linking.spend(event, code)
        if linked.outcome is Outcome.DONE and linked.user and linked.moved_from:
            await self._move(linked.moved_from, linked.user.id)
        return {Outcome.DONE: words.LINKED, Outcome.SAME: words.ALREADY_LINKED}.get(linked.outcome, words.WRONG_CODE)

    async def _claim(self, event: InboundEvent, code: str) -> str:
        if not code:
            return words.CLAIM_HOW
        claimed: Linked = await self._linking.claim(event, code)
        return {Outcome.DONE: words.CLAIMED, Outcome.TAKEN: words.ALREADY_CLAIMED}.get(
            claimed.outcome, words.WRONG_CLAIM
        )


def _notice(event: InboundEvent, message: OutboundMessage) -> Outgoing:
    return Outgoing(
        name=f"{event.id}:answer", message=message, event=event.id, notice=True, traceparent=event.traceparent
    )


def _answer(event: InboundEvent, text: str | None) -> Decide:
    return lambda _: Settled({}, [_notice(event, OutboundMessage(text=text))] if text else [])

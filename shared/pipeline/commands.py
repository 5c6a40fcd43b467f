"""What each command does. Commands are answered on arrival, so that a working turn holds up none of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from shared import commands
from shared.access.linking import Linked, Linking, Outcome
from shared.access.people import People
from shared.access.records import Role
from shared.commands import Command
from shared.conversation.mailbox import Decide, Settled
from shared.conversation.partition import ConversationPartition
from shared.messages import EventKind, InboundEvent, OutboundMessage, said
from shared.pipeline import words
from shared.pipeline.steering import Steering, notice

MoveReminders = Callable[[str, str], Awaitable[None]]
"""Moves what belongs to one user (the first id) to another."""


class Commands:
    """Recognises and answers commands."""

    def __init__(self, *, people: People, linking: Linking, steering: Steering, move: MoveReminders) -> None:
        self._people = people
        self._linking = linking
        self._steering = steering
        self._move = move

    async def decision(self, partition: ConversationPartition, event: InboundEvent) -> Decide | None:
        """How a command is settled; None where the event is none. Does what lies outside the conversation first."""
        if event.kind not in (EventKind.MESSAGE, EventKind.PRESS):
            return None
        command = commands.recognise(said(event).strip())
        if command is None or (event.attachments and not said(event).lstrip().startswith("/")):
            return None
        match command.name:
            case "link":
                return _answer(event, await self._link(event, command.argument))
            case "claim":
                return _answer(event, await self._claim(event, command.argument))
        user = await self._people.recognise(event)
        standing = await self._people.standing(event, user=user) if user else None
        if standing and not standing.allowed:
            return _answer(event, None if standing.silent else words.REFUSED)
        return await self._steer(partition, event, command)

    async def _steer(self, partition: ConversationPartition, event: InboundEvent, command: Command) -> Decide:
        match command.name:
            case "stop":
                return self._steering.stop(event)
            case "new":
                return self._steering.new(event)
            case "queue":
                return self._steering.queue(event, command.argument)
            case "status":
                return await self._steering.status(partition, event)
        return lambda _: Settled({}, [notice(event, words.help_text())])

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


def _answer(event: InboundEvent, text: str | None) -> Decide:
    return lambda _: Settled({}, [notice(event, OutboundMessage(text=text))] if text else [])

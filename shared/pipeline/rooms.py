"""Finds a conversation's partition and the channel that it is held on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from shared.conversation.partition import ConversationPartition
from shared.messages import OutboundMessage, Permanent
from shared.ports import Channel, Json, Store


@dataclass(frozen=True, slots=True)
class Room:
    """A conversation's partition, and its channel."""

    partition: ConversationPartition
    channel: Channel

    def render(self, message: OutboundMessage) -> Sequence[Json]:
        """A message as the channel's parts."""
        return self.channel.render(message=message)


class Rooms:
    """Opens conversations."""

    def __init__(self, *, store: Store, channel: Callable[[str], Awaitable[Channel | None]]) -> None:
        self._store = store
        self._channel = channel

    def partition(self, *, tenant: str, conversation: str) -> ConversationPartition:
        """A conversation's documents, whatever its channel."""
        return ConversationPartition(store=self._store, tenant=tenant, conversation=conversation)

    async def room(self, *, tenant: str, conversation: str, channel: str) -> Room:
        """A conversation with its channel. Raises Permanent where that channel is not configured."""
        found = await self._channel(channel)
        if found is None:
            raise Permanent(f"the channel {channel!r} is not configured, but a conversation is held on it")
        return Room(partition=self.partition(tenant=tenant, conversation=conversation), channel=found)

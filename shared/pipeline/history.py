"""What was said lately, as the agent is given it. Kept from turn to turn: a message never changes, so nothing goes stale."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from shared.agent.turn import Role, Said
from shared.conversation.partition import ConversationPartition
from shared.conversation.records import ConversationRecord, Message, MessageRole
from shared.ports import Partition

WINDOW = 3
"""How many times the history's length is read at most, while older messages wait to be summarised."""
CONVERSATIONS = 200
"""How many conversations are kept."""
LONGEST_KEPT = 50_000
"""Characters: a conversation with more than this is read again each time."""


def said(message: Message) -> Said:
    """A stored message as the agent knows it."""
    return Said(Role.PERSON if message.role is MessageRole.PERSON else Role.ASSISTANT, message.text)


@dataclass(frozen=True, slots=True)
class _Line:
    n: int
    generation: int
    said: Said


@dataclass(frozen=True, slots=True)
class _Kept:
    """The messages after one number, up to another."""

    after: int
    last: int
    lines: tuple[_Line, ...]


class Histories:
    """Reads histories; only the messages that are new since the last turn come from the store."""

    def __init__(self, *, limit: int) -> None:
        """`limit`: how many messages are read at most, while older ones wait to be summarised."""
        self._limit = limit
        self._kept: OrderedDict[Partition, _Kept] = OrderedDict()

    async def read(
        self, partition: ConversationPartition, *, record: ConversationRecord, generation: int
    ) -> list[Said]:
        """The messages of a generation that the record's summary does not cover, the oldest first."""
        kept = self._kept.pop(partition.key, None)
        if kept is None or kept.after > record.summarised or kept.last > record.messages:
            kept = _Kept(after=record.summarised, last=record.summarised, lines=())
        lines = kept.lines
        if kept.last < record.messages:
            new = await partition.messages(after=max(kept.last, record.summarised), limit=self._limit)
            lines += tuple(_Line(message.n, message.generation, said(message)) for message in new)
        lines = tuple(line for line in lines if line.n > record.summarised)[-self._limit :]
        self._keep(partition.key, _Kept(after=record.summarised, last=record.messages, lines=lines))
        return [line.said for line in lines if line.generation == generation]

    def add(self, partition: ConversationPartition, messages: Sequence[Message]) -> None:
        """Keep messages that were written just now behind those that are kept, so that nobody has to read them."""
        kept = self._kept.get(partition.key)
        if kept and messages and messages[0].n == kept.last + 1:
            new = tuple(_Line(message.n, message.generation, said(message)) for message in messages)
            self._keep(partition.key, _Kept(kept.after, messages[-1].n, kept.lines + new))

    def _keep(self, key: Partition, kept: _Kept) -> None:
        if sum(len(line.said.text) for line in kept.lines) > LONGEST_KEPT:
            self._kept.pop(key, None)
            return
        self._kept[key] = kept
        if len(self._kept) > CONVERSATIONS:
            self._kept.popitem(last=False)

"""Histories: kept from turn to turn, and always what the store would say."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared.agent.turn import Said
from shared.conversation.partition import ConversationPartition
from shared.conversation.records import Message
from shared.pipeline import history
from shared.pipeline.history import Histories, said
from tests.fakes.world import World


class Counted(ConversationPartition):
    """Counts the messages that it read."""

    read = 0

    async def messages(self, *, after: int, before: int | None = None, limit: int) -> list[Message]:
        found = await super().messages(after=after, before=before, limit=limit)
        self.read += len(found)
        return found


def counted(world: World) -> Counted:
    return Counted(store=world.app.store, tenant="main", conversation=world.partition().id)


async def talk(world: World, *texts: str) -> None:
    for text in texts:
        await world.arrive(text, n=text)
        await world.settle()


async def fresh(world: World, *, limit: int = 60) -> Sequence[Said]:
    record = await world.record()
    stored = await world.partition().messages(after=record.summarised, limit=limit)
    return [said(message) for message in stored if message.generation == record.generation]


async def test_only_what_is_new_is_read(world: World) -> None:
    histories, partition = Histories(limit=60), counted(world)
    for n in range(5):
        await talk(world, f"text {n}")
        record = await world.record()
        found = await histories.read(partition, record=record, generation=record.generation)
        assert found == await fresh(world)
    assert partition.read == 10


async def test_what_this_process_wrote_itself_is_not_read(world: World) -> None:
    histories, partition = world.app.histories, counted(world)
    for n in range(5):
        await talk(world, f"text {n}")
        record = await world.record()
        found = await histories.read(partition, record=record, generation=record.generation)
        assert found == await fresh(world)
    assert partition.read == 0


async def test_what_another_process_wrote_meanwhile_is_read(world: World) -> None:
    histories, partition = world.app.histories, counted(world)
    await talk(world, "ours")
    here, world.app = world.app, world.instance()
    await talk(world, "theirs")
    theirs, world.app = world.app, here
    record = await world.record()
    assert await histories.read(partition, record=record, generation=0) == await fresh(world)
    assert partition.read == 2
    await theirs.close()


async def test_what_the_summary_covers_is_dropped(world: World) -> None:
    histories, partition = Histories(limit=60), counted(world)
    for n in range(30):
        await talk(world, f"text {n}")
        record = await world.record()
        assert await histories.read(partition, record=record, generation=record.generation) == await fresh(world)
    assert record.summarised


async def test_a_new_generation_starts_empty(world: World) -> None:
    histories, partition = Histories(limit=60), counted(world)
    await talk(world, "one")
    record = await world.record()
    await histories.read(partition, record=record, generation=record.generation)
    await talk(world, "/new", "two")
    record = await world.record()
    found = await histories.read(partition, record=record, generation=record.generation)
    assert [line.text for line in found] == ["two", "You said: two"]


async def test_more_than_the_limit_leaves_no_gap(world: World) -> None:
    histories, partition = Histories(limit=4), counted(world)
    await talk(world, "one")
    record = await world.record()
    await histories.read(partition, record=record, generation=0)
    await talk(world, "two", "three", "four")
    assert await histories.read(partition, record=await world.record(), generation=0) == await fresh(world, limit=4)


async def test_a_long_conversation_is_not_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "LONGEST_KEPT", 20)
    histories, partition = Histories(limit=60), counted(world)
    await talk(world, "one", "two", "three")
    for _ in range(2):
        assert await histories.read(partition, record=await world.record(), generation=0) == await fresh(world)
    assert partition.read == 12


async def test_what_was_written_behind_a_gap_is_read_with_the_gap(world: World) -> None:
    """Another process took the turn between the two that this one took."""
    histories, partition = Histories(limit=60), counted(world)
    await talk(world, "one")
    await histories.read(partition, record=await world.record(), generation=0)
    await talk(world, "two", "three")
    histories.add(partition, await world.partition().messages(after=4, limit=10))
    assert await histories.read(partition, record=await world.record(), generation=0) == await fresh(world)
    assert partition.read == 6

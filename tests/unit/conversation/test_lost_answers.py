"""A write whose answer got lost, and an arrival in the moment in which its holder looks whether it was done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.conversation.lease import Hold
from shared.conversation.partition import ConversationPartition, Stored, Transaction
from shared.conversation.records import RECORD, ConversationRecord
from shared.messages import Address, StoreUnavailable
from shared.ports import Document
from shared.steps import Step
from tests.fakes.clock import ManualClock
from tests.fakes.memory_store import MemoryStore, Shelves


class MuteStore(MemoryStore):
    """Does the next write without saying so; somebody writes right after it was looked at."""

    def __init__(self) -> None:
        super().__init__(Shelves())
        self.mute = False
        self.arrives = False

    async def batch(self, **given: Any) -> Sequence[str]:
        etags = await super().batch(**given)
        if self.mute:
            self.mute, self.arrives = False, True
            raise StoreUnavailable("the answer got lost")
        return etags

    async def read(self, **given: Any) -> Document | None:
        found = await super().read(**given)
        if self.arrives and given["id"] == RECORD:
            self.arrives = False
            await arrive(partition_of(self))
        return found


def partition_of(store: MuteStore) -> ConversationPartition:
    return ConversationPartition(store=store, tenant="main", conversation="main:fake:bot:chat")


async def arrive(partition: ConversationPartition) -> None:
    head = await partition.record()
    assert head
    transaction = Transaction()
    transaction.save(head, head.record.with_(entries=head.record.entries + 1))
    await partition.commit(Step.ARRIVE, transaction)


async def same(record: ConversationRecord, _: Transaction) -> ConversationRecord:
    return record.with_(messages=record.messages + 1)


async def test_an_arrival_is_not_overwritten_by_a_holder_who_looks_whether_its_write_was_done() -> None:
    store, clock = MuteStore(), ManualClock()
    partition = partition_of(store)
    address = Address(tenant="main", channel="fake", account="bot", chat="chat")
    hold = await Hold.take(
        step=Step.TAKE_TURN,
        partition=partition,
        stored=Stored(RECORD, ConversationRecord(address=address), ""),
        load=partition.record,
        clock=clock,
        seconds=30,
        change=lambda record, _: record,
    )
    store.mute = True
    await hold.write(Step.RENEW_LEASE, same)
    await hold.write(Step.RENEW_LEASE, same)
    head = await partition.record()
    assert head
    assert (head.record.messages, head.record.entries) == (2, 1)

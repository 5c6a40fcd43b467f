"""What grows: the cost of a turn with the length of its conversation, and memory with the number of messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import praxos
from benchmarks.driver import talk
from benchmarks.processes import folder, resident_bytes
from benchmarks.report import Row, middle
from shared import ids
from shared.app import App
from shared.conversation.partition import ConversationPartition, Stored, Transaction
from shared.conversation.records import RECORD, ConversationRecord, Message, MessageRole
from shared.messages import Address
from shared.settings import Settings
from shared.steps import Step

LONG = 10_000
SHORT = 10
TURNS = 60
ROUNDS = 5
SUMMARY = "We have talked for a long time. " * 10


async def write_history(home: Path, conversation: int, messages: int) -> None:
    """A conversation of so many messages, as the turns before would have left it."""
    app = App(environ={}, settings=Settings.model_validate({"PRAXOS_HOME": home}))
    address = Address(tenant="main", channel="telegram", account=praxos.ACCOUNT, chat=str(praxos.chat(conversation)))
    partition = ConversationPartition(store=app.store, tenant="main", conversation=address.conversation)
    for begin in range(1, messages + 1, 90):
        transaction = Transaction()
        for n in range(begin, min(begin + 90, messages + 1)):
            role = MessageRole.PERSON if n % 2 else MessageRole.ASSISTANT
            message = Message(
                n=n, generation=0, role=role, text=f"message {n}", event=ids.fresh(), at=datetime.now(UTC)
            )
            transaction.create(f"message:{n}", message)
        await partition.commit(Step.FINISH_TURN, transaction)
    summarised = max(0, messages - 20)
    record = ConversationRecord(
        address=address, messages=messages, summarised=summarised, summary=SUMMARY if summarised else ""
    )
    transaction = Transaction()
    transaction.save(Stored(RECORD, record, ""), record)
    await partition.commit(Step.FINISH_TURN, transaction)
    await app.close()


@asynccontextmanager
async def with_histories() -> AsyncIterator[praxos.Praxos]:
    """A deployment with a long conversation (0) and a short one (1)."""
    async with folder() as home:
        await write_history(home, 0, LONG)
        await write_history(home, 1, SHORT)
        async with praxos.deployed(home=home) as deployment:
            yield deployment


async def of_turns() -> Row:
    """Alternate turns in the long and in the short conversation."""
    long: list[float] = []
    short: list[float] = []
    async with with_histories() as deployment:
        for n in range(ROUNDS + 1):
            pair = [(await talk(deployment.say, conversations=[which], turns=TURNS)).percentile(50) for which in (0, 1)]
            if n:
                long.append(pair[0])
                short.append(pair[1])
    ratios = [one / other for one, other in zip(long, short, strict=True)]
    peer = middle(short, f"ms (of {SHORT})", scale=1e3, digits=2)
    name = f"a turn in a conversation of {LONG:,} messages"
    return Row(name, middle(long, "ms", scale=1e3, digits=2), peer, ratios, target=1.2)


async def of_memory() -> Row:
    """Resident memory after 5,000 messages and after 1,000."""
    async with praxos.deployed() as deployment:
        [process] = deployment.processes
        resident: dict[int, int] = {}
        for sent in range(500, 5001, 500):
            await talk(deployment.say, conversations=range(20), turns=25)
            resident[sent] = resident_bytes(process)
    before, after = resident[1000], resident[5000]
    ratio = after / before
    mebi = 1024 * 1024
    return Row(
        "resident memory after 5,000 messages",
        f"{after / mebi:.0f} MiB",
        f"{before / mebi:.0f} MiB (after 1,000)",
        [ratio],
        target=1.1,
    )


async def measure() -> list[Row]:
    """Both."""
    return [await of_turns(), await of_memory()]

"""The Broker's contract about waiting, over every implementation: it ends when something is there, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from shared.ports import Broker, Received
from shared.topology import INBOUND, OUTBOUND, TURNS
from tests.contract.broker.conftest import (
    DEAD_TURNS,
    LOCK,
    LONG,
    SETTLE,
    STEP,
    Open,
    at,
    next_of,
    receive,
    receive_one,
    send,
    texts,
)
from tests.fakes.clock import ManualClock


async def test_waiting_ends_at_once_where_something_is_there(broker: Broker) -> None:
    await send(broker, TURNS, "a")
    await asyncio.wait_for(broker.wait(queues=[OUTBOUND, TURNS], timeout=LONG), LONG / 2)


async def test_waiting_ends_after_its_time(broker: Broker) -> None:
    await send(broker, OUTBOUND, "a")
    await asyncio.wait_for(broker.wait(queues=[TURNS], timeout=0.01), LONG)
    assert not await receive(broker)


@pytest.mark.parametrize("far", [False, True], ids=["same client", "another client"])
async def test_a_message_ends_the_waiting(broker: Broker, another: Open, far: bool) -> None:
    sender = another() if far else broker
    waiting = asyncio.create_task(broker.wait(queues=[TURNS], timeout=LONG))
    await asyncio.sleep(0)
    assert not waiting.done()
    await send(sender, TURNS, "a")
    await asyncio.wait_for(waiting, LONG / 2)
    assert texts(await receive(broker)) == ["a"]


async def test_a_scheduled_message_ends_the_waiting_when_it_is_due(broker: Broker, clock: ManualClock) -> None:
    waiting = asyncio.create_task(broker.wait(queues=[TURNS], timeout=LONG))
    await asyncio.sleep(0)
    await broker.send(step=STEP, queue=TURNS, messages=[at(clock, "a", 3600)])
    clock.pass_(seconds=3600)
    await asyncio.wait_for(waiting, LONG / 2)


async def test_a_lock_that_ends_ends_the_waiting(broker: Broker, another: Open, clock: ManualClock) -> None:
    await send(broker, TURNS, "a")
    await receive_one(broker)
    waiting = asyncio.create_task(another().wait(queues=[TURNS], timeout=LONG))
    await asyncio.sleep(0)
    clock.pass_(seconds=LOCK)
    await asyncio.wait_for(waiting, LONG / 2)


async def test_a_dead_letter_ends_the_waiting(broker: Broker) -> None:
    await send(broker, TURNS, "a")
    message = await receive_one(broker)
    waiting = asyncio.create_task(broker.wait(queues=[DEAD_TURNS], timeout=LONG))
    await asyncio.sleep(0)
    await broker.dead_letter(message=message, reason="Malformed", description="")
    await asyncio.wait_for(waiting, LONG / 2)


@pytest.mark.parametrize("far", [False, True], ids=["same client", "another client"])
async def test_waiting_in_a_session_ends_with_a_message_for_it(broker: Broker, another: Open, far: bool) -> None:
    sender = another() if far else broker
    await send(broker, INBOUND, "a", session="s")
    assert await broker.accept_session(queue=INBOUND) == "s"
    [message] = await next_of(broker, "s")
    await broker.complete(step=SETTLE, message=message)
    waiting = asyncio.create_task(broker.wait(queues=[INBOUND], session="s", timeout=LONG))
    await asyncio.sleep(0)
    await send(sender, INBOUND, "b", session="s")
    await asyncio.wait_for(waiting, LONG / 2)
    assert texts(await next_of(broker, "s")) == ["b"]


# --- receiving with patience


@pytest.mark.parametrize("far", [False, True], ids=["same client", "another client"])
async def test_a_receiver_that_waits_gets_what_is_sent(broker: Broker, another: Open, far: bool) -> None:
    sender = another() if far else broker
    receiving = asyncio.create_task(until_received(broker, TURNS))
    await waiting_for(receiving)
    await send(sender, TURNS, "a")
    [message] = await asyncio.wait_for(receiving, LONG / 2)
    assert (message.body, message.delivery_count) == (b"a", 1)
    assert not await receive(another())
    await broker.complete(step=SETTLE, message=message)


async def test_a_session_that_waits_gets_what_is_sent_to_it(broker: Broker) -> None:
    await hold_dry_session(broker, "s")
    receiving = asyncio.create_task(broker.receive_session(queue=INBOUND, session="s", limit=1, timeout=LONG))
    await waiting_for(receiving)
    await send(broker, INBOUND, "other", session="t")
    await send(broker, INBOUND, "b", session="s")
    [message] = await asyncio.wait_for(receiving, LONG / 2)
    assert (message.body, message.delivery_count) == (b"b", 1)
    await broker.complete(step=SETTLE, message=message)
    assert not await next_of(broker, "s")


async def test_a_receiver_that_waits_gets_the_oldest_first(broker: Broker, another: Open, clock: ManualClock) -> None:
    await send(broker, TURNS, "a")
    await receive_one(another())
    receiving = asyncio.create_task(broker.receive(queue=TURNS, limit=1, timeout=LONG))
    await waiting_for(receiving)
    clock.pass_(seconds=LOCK)
    await send(broker, TURNS, "b")
    assert texts(await asyncio.wait_for(receiving, LONG / 2)) == ["a"]
    assert texts(await receive(broker)) == ["b"]


async def test_a_receiver_waits_no_longer_than_it_wants_to(broker: Broker) -> None:
    assert not await asyncio.wait_for(broker.receive(queue=TURNS, limit=1, timeout=0.01), LONG / 2)
    await send(broker, TURNS, "a")
    assert texts(await receive(broker)) == ["a"]


@pytest.mark.parametrize("turns_of_the_loop", range(5))
async def test_what_came_for_a_receiver_that_was_cancelled_is_free_again(
    broker: Broker, turns_of_the_loop: int
) -> None:
    receiving = asyncio.create_task(broker.receive(queue=TURNS, limit=1, timeout=LONG))
    await waiting_for(receiving)
    sending = asyncio.create_task(send(broker, TURNS, "a"))
    for _ in range(turns_of_the_loop):
        await asyncio.sleep(0)
    receiving.cancel()
    await asyncio.wait([receiving, sending])
    if not receiving.cancelled():  # it had the message before it was cancelled
        assert texts(receiving.result()) == ["a"]
        return
    await asyncio.wait_for(broker.wait(queues=[TURNS], timeout=LONG), LONG / 2)
    message = await receive_one(broker)
    assert (message.body, message.delivery_count) == (b"a", 1)


async def test_a_sender_that_was_cancelled_hands_over_all_the_same(broker: Broker) -> None:
    receiving = asyncio.create_task(until_received(broker, TURNS))
    await waiting_for(receiving)
    sending = asyncio.create_task(send(broker, TURNS, "a"))
    await asyncio.sleep(0)
    sending.cancel()
    assert texts(await asyncio.wait_for(receiving, LONG / 2)) == ["a"]


async def test_a_session_that_was_lost_hands_nothing_over(broker: Broker, another: Open, clock: ManualClock) -> None:
    await hold_dry_session(broker, "s")
    receiving = asyncio.create_task(broker.receive_session(queue=INBOUND, session="s", limit=1, timeout=LONG))
    await waiting_for(receiving)
    clock.pass_(seconds=LOCK)
    await send(broker, INBOUND, "b", session="s")
    assert not await asyncio.wait_for(receiving, LONG / 2)
    other = another()
    assert await other.accept_session(queue=INBOUND) == "s"
    assert texts(await next_of(other, "s")) == ["b"]


async def until_received(broker: Broker, queue: str) -> Sequence[Received]:
    while not (received := await broker.receive(queue=queue, limit=1, timeout=LONG)):
        pass
    return received


async def waiting_for(receiving: asyncio.Task[Sequence[Received]]) -> None:
    """Let it come to where it waits."""
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert not receiving.done()


async def hold_dry_session(broker: Broker, session: str) -> None:
    await send(broker, INBOUND, "first", session=session)
    assert await broker.accept_session(queue=INBOUND) == session
    [message] = await next_of(broker, session)
    await broker.complete(step=SETTLE, message=message)

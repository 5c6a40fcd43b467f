"""The Broker's contract without sessions, over every implementation: Service Bus's semantics, and no kinder."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared import topology
from shared.messages import Conflict, Refused, TooLarge
from shared.ports import Broker, QueueMessage
from shared.topology import BACKGROUND, INBOUND, MAX_MESSAGE_BYTES, OUTBOUND, TURNS
from tests.contract.broker.conftest import (
    DEAD_INBOUND,
    DEAD_TURNS,
    LOCK,
    SETTLE,
    STEP,
    WINDOW,
    Open,
    at,
    next_of,
    receive,
    receive_one,
    send,
    texts,
)
from tests.fakes.clock import START, ManualClock


async def test_what_is_sent_is_received_as_it_was(broker: Broker) -> None:
    sent = QueueMessage(body=b"\x00\xff", id="an-id", properties={"traceparent": "00-ä"})
    await broker.send(step=STEP, queue=TURNS, messages=[sent])
    message = await receive_one(broker)
    assert (message.queue, message.body, message.id, message.session) == (TURNS, b"\x00\xff", "an-id", "")
    assert dict(message.properties) == {"traceparent": "00-ä"}
    assert (message.delivery_count, message.enqueued_at) == (1, START)
    assert message.locked_until == START + timedelta(seconds=LOCK)
    assert (message.dead_letter_reason, message.dead_letter_description) == ("", "")


async def test_messages_come_in_the_order_of_their_sequence_numbers(broker: Broker) -> None:
    await send(broker, TURNS, *"abcde")
    first, rest = await receive(broker, limit=2), await receive(broker)
    assert texts([*first, *rest]) == list("abcde")
    numbers = [message.sequence_number for message in (*first, *rest)]
    assert numbers == sorted(set(numbers))


async def test_a_locked_message_is_nobody_elses(broker: Broker, another: Open) -> None:
    await send(broker, TURNS, "a")
    await receive_one(broker)
    assert not await receive(another())
    assert not await receive(broker)


async def test_each_message_goes_to_one_of_many_receivers(broker: Broker, another: Open) -> None:
    others = [another() for _ in range(3)]
    await asyncio.gather(*(send(broker, TURNS, str(number)) for number in range(60)))
    found = await asyncio.gather(*(receive(each, limit=7) for each in others for _ in range(3)))
    seen = [text for messages in found for text in texts(messages)]
    assert len(seen) == len(set(seen)) == 60


async def test_completed_is_gone(broker: Broker, clock: ManualClock) -> None:
    await send(broker, TURNS, "a")
    message = await receive_one(broker)
    await broker.complete(step=SETTLE, message=message)
    clock.pass_(seconds=LOCK + 1)
    assert not await receive(broker)
    with pytest.raises(Conflict):
        await broker.complete(step=SETTLE, message=message)


async def test_an_abandoned_message_comes_again_at_once(broker: Broker) -> None:
    await send(broker, TURNS, "a", "b")
    for delivery in (1, 2, 3):
        message = await receive_one(broker)
        assert (message.body, message.delivery_count) == (b"a", delivery), "no time passed"
        await broker.abandon(message=message)


async def test_after_ten_deliveries_it_is_a_dead_letter(broker: Broker) -> None:
    await send(broker, TURNS, "a")
    for _ in range(10):
        await broker.abandon(message=await receive_one(broker))
    assert not await receive(broker)
    dead = await receive_one(broker, DEAD_TURNS)
    assert (dead.body, dead.id, dead.dead_letter_reason) == (b"a", "id-a", "MaxDeliveryCountExceeded")
    assert dead.dead_letter_description


async def test_ten_lost_locks_make_a_dead_letter_too(broker: Broker, clock: ManualClock) -> None:
    await send(broker, TURNS, "a", "b")
    for delivery in range(1, 11):
        message = await receive_one(broker)
        assert (message.body, message.delivery_count) == (b"a", delivery)
        clock.pass_(seconds=LOCK)
    assert texts(await receive(broker)) == ["b"]
    assert texts(await receive(broker, DEAD_TURNS)) == ["a"]


async def test_a_lock_ends_by_itself(broker: Broker, another: Open, clock: ManualClock) -> None:
    await send(broker, TURNS, "a")
    await receive_one(broker)
    clock.pass_(seconds=LOCK - 0.001)
    assert not await receive(broker)
    clock.pass_(seconds=0.001)
    assert (await receive_one(another())).delivery_count == 2


async def test_the_locks_of_several_end_together_and_they_come_again_in_order(
    broker: Broker, another: Open, clock: ManualClock
) -> None:
    await send(broker, TURNS, *"abcde")
    assert len(await receive(broker, limit=3)) == 3
    clock.pass_(seconds=LOCK)
    found = await receive(another())
    assert [(each.body.decode(), each.delivery_count) for each in found] == [
        *((c, 2) for c in "abc"),
        *((c, 1) for c in "de"),
    ]


async def test_a_lock_lost_while_the_code_runs_on_settles_nothing(broker: Broker, clock: ManualClock) -> None:
    await send(broker, TURNS, "a")
    late = await receive_one(broker)
    clock.pass_(seconds=LOCK)
    for settle in (
        broker.complete(step=SETTLE, message=late),
        broker.abandon(message=late),
        broker.dead_letter(message=late, reason="late", description=""),
        broker.renew(message=late),
    ):
        with pytest.raises(Conflict):
            await settle
    again = await receive_one(broker)
    with pytest.raises(Conflict):
        await broker.complete(step=SETTLE, message=late)
    await broker.complete(step=SETTLE, message=again)


async def test_a_renewed_lock_goes_on(broker: Broker, clock: ManualClock) -> None:
    await send(broker, TURNS, "a")
    message = await receive_one(broker)
    clock.pass_(seconds=LOCK - 1)
    assert await broker.renew(message=message) == clock.now() + timedelta(seconds=LOCK)
    clock.pass_(seconds=LOCK - 1)
    assert not await receive(broker)
    await broker.complete(step=SETTLE, message=message)


# --- dead letters


async def test_a_dead_letter_says_why(broker: Broker) -> None:
    await send(broker, TURNS, "a")
    await broker.dead_letter(message=await receive_one(broker), reason="Malformed", description="no JSON")
    assert not await receive(broker)
    dead = await receive_one(broker, DEAD_TURNS)
    assert (dead.queue, dead.dead_letter_reason, dead.dead_letter_description) == (DEAD_TURNS, "Malformed", "no JSON")
    await broker.complete(step=SETTLE, message=dead)
    assert not await receive(broker, DEAD_TURNS)


async def test_a_dead_letter_queue_keeps_what_it_has(broker: Broker) -> None:
    await send(broker, TURNS, "a")
    await broker.dead_letter(message=await receive_one(broker), reason="Malformed", description="")
    for _ in range(15):
        dead = await receive_one(broker, DEAD_TURNS)
        await broker.abandon(message=dead)
    with pytest.raises(Refused):
        await broker.dead_letter(message=await receive_one(broker, DEAD_TURNS), reason="again", description="")


async def test_the_dead_letters_of_sessions_come_without_sessions(broker: Broker) -> None:
    await send(broker, INBOUND, "a", session="s")
    assert await broker.accept_session(queue=INBOUND) == "s"
    [message] = await next_of(broker, "s")
    await broker.dead_letter(message=message, reason="Malformed", description="")
    dead = await receive_one(broker, DEAD_INBOUND)
    assert (dead.body, dead.session) == (b"a", "s")
    await broker.complete(step=SETTLE, message=dead)


# --- scheduled messages


async def test_scheduled_messages_come_when_they_are_due_and_in_that_order(broker: Broker, clock: ManualClock) -> None:
    await broker.send(step=STEP, queue=TURNS, messages=[at(clock, "late", 20), at(clock, "early", 10)])
    assert not await receive(broker)
    clock.pass_(seconds=15)
    await send(broker, TURNS, "plain")
    assert sorted(texts(await receive(broker))) == ["early", "plain"]
    clock.pass_(seconds=5)
    [late] = await receive(broker)
    assert late.body == b"late"
    assert late.enqueued_at == START + timedelta(seconds=20)


async def test_a_scheduled_message_is_appended_when_it_is_due(broker: Broker, clock: ManualClock) -> None:
    await broker.send(step=STEP, queue=TURNS, messages=[at(clock, "scheduled", 10)])
    await send(broker, TURNS, "sent later")
    before = await receive_one(broker)
    clock.pass_(seconds=10)
    after = await receive_one(broker)
    assert (before.body, after.body) == (b"sent later", b"scheduled")
    assert before.sequence_number < after.sequence_number


async def test_a_time_that_has_passed_is_now(broker: Broker, clock: ManualClock) -> None:
    await broker.send(step=STEP, queue=TURNS, messages=[at(clock, "a", -5)])
    assert texts(await receive(broker)) == ["a"]


async def test_scheduled_messages_of_a_session_wait_too(broker: Broker, clock: ManualClock) -> None:
    await broker.send(step=STEP, queue=INBOUND, messages=[at(clock, "a", 5, session="s")])
    assert await broker.accept_session(queue=INBOUND) is None
    clock.pass_(seconds=5)
    assert await broker.accept_session(queue=INBOUND) == "s"
    await broker.send(step=STEP, queue=INBOUND, messages=[at(clock, "b", 5, session="s")])
    assert texts(await next_of(broker, "s", 5)) == ["a"]
    clock.pass_(seconds=5)
    assert texts(await next_of(broker, "s", 5)) == ["b"]


# --- duplicate detection


async def test_an_id_that_was_used_is_swallowed(broker: Broker, another: Open) -> None:
    await send(broker, INBOUND, "a", session="s")
    await send(broker, INBOUND, "a", "b", session="s")
    await send(another(), INBOUND, "a", session="another session")
    assert await broker.accept_session(queue=INBOUND) == "s"
    assert texts(await next_of(broker, "s", 10)) == ["a", "b"]
    assert await broker.accept_session(queue=INBOUND) is None


async def test_an_id_stays_used_after_its_message_was_completed(broker: Broker) -> None:
    await send(broker, INBOUND, "a", session="s")
    assert await broker.accept_session(queue=INBOUND) == "s"
    [message] = await next_of(broker, "s")
    await broker.complete(step=SETTLE, message=message)
    await send(broker, INBOUND, "a", session="s")
    assert not await next_of(broker, "s")


async def test_ids_of_scheduled_messages_are_swallowed_too(broker: Broker, clock: ManualClock) -> None:
    await broker.send(step=STEP, queue=INBOUND, messages=[at(clock, "a", 60, session="s")])
    await send(broker, INBOUND, "a", "b", session="s")
    await broker.send(step=STEP, queue=INBOUND, messages=[at(clock, "b", 60, session="s")])
    clock.pass_(seconds=60)
    assert await broker.accept_session(queue=INBOUND) == "s"
    assert sorted(texts(await next_of(broker, "s", 10))) == ["a", "b"]


async def test_the_window_ends(broker: Broker, clock: ManualClock) -> None:
    assert WINDOW is not None
    await send(broker, INBOUND, "a", session="s")
    clock.pass_(seconds=WINDOW.total_seconds() - 1)
    await send(broker, INBOUND, "a", session="s")
    clock.pass_(seconds=1)
    await send(broker, INBOUND, "a", session="s")
    assert await broker.accept_session(queue=INBOUND) == "s"
    assert texts(await next_of(broker, "s", 10)) == ["a", "a"], "a swallowed duplicate does not open a new window"


async def test_queues_without_it_take_an_id_twice(broker: Broker) -> None:
    for queue in (TURNS, BACKGROUND, OUTBOUND, topology.DEAD_LETTERS):
        await send(broker, queue, "a", "a")
        assert texts(await receive(broker, queue)) == ["a", "a"]


# --- limits


async def test_ids_have_at_most_128_characters(broker: Broker) -> None:
    await broker.send(step=STEP, queue=INBOUND, messages=[QueueMessage(body=b"", id="ä" * 128, session="s" * 128)])
    with pytest.raises(Refused):
        await broker.send(step=STEP, queue=INBOUND, messages=[QueueMessage(body=b"", id="i" * 129, session="s")])
    with pytest.raises(Refused):
        await broker.send(step=STEP, queue=INBOUND, messages=[QueueMessage(body=b"", id="i", session="s" * 129)])


async def test_a_batch_has_at_most_256_kilobytes(broker: Broker) -> None:
    most = b"x" * (MAX_MESSAGE_BYTES - len("id"))
    await broker.send(step=STEP, queue=TURNS, messages=[QueueMessage(body=most, id="id")])
    with pytest.raises(TooLarge):
        await broker.send(step=STEP, queue=TURNS, messages=[QueueMessage(body=most + b"x", id="id")])
    half = QueueMessage(body=most[: MAX_MESSAGE_BYTES // 2], id="id")
    with pytest.raises(TooLarge):
        await broker.send(step=STEP, queue=TURNS, messages=[half, half])
    heavy = QueueMessage(body=most, id="id", properties={"name": "value"})
    with pytest.raises(TooLarge):
        await broker.send(step=STEP, queue=TURNS, messages=[heavy])
    assert len(await receive(broker)) == 1


async def test_what_a_queue_does_not_do_is_refused(broker: Broker) -> None:
    with pytest.raises(Refused):
        await broker.send(step=STEP, queue=INBOUND, messages=[QueueMessage(body=b"", id="no session")])
    with pytest.raises(Refused):
        await broker.send(step=STEP, queue="no such queue", messages=[QueueMessage(body=b"", id="a")])
    with pytest.raises(Refused):
        await broker.send(step=STEP, queue=DEAD_TURNS, messages=[QueueMessage(body=b"", id="a")])
    with pytest.raises(Refused):
        await broker.receive(queue=INBOUND, limit=1)
    with pytest.raises(Refused):
        await broker.accept_session(queue=TURNS)


async def test_a_batch_with_a_refused_message_sends_nothing(broker: Broker) -> None:
    good, bad = QueueMessage(body=b"", id="a", session="s"), QueueMessage(body=b"", id="b" * 129, session="s")
    with pytest.raises(Refused):
        await broker.send(step=STEP, queue=INBOUND, messages=[good, bad])
    assert await broker.accept_session(queue=INBOUND) is None


async def test_data_survives_closing(another: Open) -> None:
    first = another()
    await send(first, TURNS, "a")
    await send(first, INBOUND, "b", session="s")
    await first.close()
    second = another()
    assert texts(await receive(second)) == ["a"]
    assert await second.accept_session(queue=INBOUND) == "s"

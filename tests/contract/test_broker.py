"""The Broker's contract, over every implementation: Service Bus's semantics, and no kinder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from shared import topology
from shared.messages import Conflict, Refused, TooLarge
from shared.ports import Broker, QueueMessage, Received
from shared.queues.sqlite import FILE, SqliteBroker
from shared.settings import Sync
from shared.steps import Step
from shared.topology import BACKGROUND, DEAD_LETTER_SUFFIX, INBOUND, MAX_MESSAGE_BYTES, OUTBOUND, QUEUES, TURNS
from tests.fakes.clock import START, ManualClock

STEP = Step.ENQUEUE
SETTLE = Step.SETTLE_TURNS
LOCK = QUEUES[TURNS].lock_duration.total_seconds()
WINDOW = QUEUES[INBOUND].duplicate_detection
DEAD_TURNS = TURNS + DEAD_LETTER_SUFFIX
DEAD_INBOUND = INBOUND + DEAD_LETTER_SUFFIX
LONG = 30.0
"""A time-out that a test which passes never waits for."""

Open = Callable[[], Broker]


def sqlite(path: Path, clock: ManualClock) -> Broker:
    return SqliteBroker(path=path / FILE, sync=Sync.NORMAL, clock=clock)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=[pytest.param(sqlite, id="sqlite")])
async def another(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Open]:
    """Opens one more client of the same queues, as another process would."""
    opened: list[Broker] = []

    def open_one() -> Broker:
        opened.append(request.param(tmp_path, clock))
        return opened[-1]

    yield open_one
    for broker in opened:
        await broker.close()


@pytest.fixture
def broker(another: Open) -> Broker:
    return another()


async def send(broker: Broker, queue: str, *texts: str, session: str = "") -> None:
    for text in texts:
        message = QueueMessage(body=text.encode(), id=f"id-{text}", session=session)
        await broker.send(step=STEP, queue=queue, messages=[message])


async def receive(broker: Broker, queue: str = TURNS, limit: int = 100) -> Sequence[Received]:
    return await broker.receive(queue=queue, limit=limit)


async def receive_one(broker: Broker, queue: str = TURNS) -> Received:
    [message] = await broker.receive(queue=queue, limit=1)
    return message


async def next_of(broker: Broker, session: str, limit: int = 1) -> Sequence[Received]:
    return await broker.receive_session(queue=INBOUND, session=session, limit=limit)


def texts(messages: Sequence[Received]) -> list[str]:
    return [message.body.decode() for message in messages]


# --- without sessions


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


def at(clock: ManualClock, text: str, seconds: float, session: str = "") -> QueueMessage:
    when = clock.now() + timedelta(seconds=seconds)
    return QueueMessage(body=text.encode(), id=f"id-{text}", session=session, enqueue_at=when)


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


# --- sessions


async def test_a_session_has_one_holder(broker: Broker, another: Open) -> None:
    other = another()
    await send(broker, INBOUND, "a", session="s")
    await send(broker, INBOUND, "b", session="t")
    assert {await broker.accept_session(queue=INBOUND), await other.accept_session(queue=INBOUND)} == {"s", "t"}
    assert await broker.accept_session(queue=INBOUND) is None
    await send(other, INBOUND, "c", session="s")
    assert await other.accept_session(queue=INBOUND) is None


async def test_a_session_is_in_order_also_past_an_abandoned_message(broker: Broker) -> None:
    await send(broker, INBOUND, *"abc", session="s")
    assert await broker.accept_session(queue=INBOUND) == "s"
    [first] = await next_of(broker, "s")
    await broker.abandon(message=first)
    seen = []
    while found := await next_of(broker, "s"):
        seen += [(found[0].body.decode(), found[0].delivery_count)]
        await broker.complete(step=SETTLE, message=found[0])
    assert seen == [("a", 2), ("b", 1), ("c", 1)]


async def test_a_session_takes_the_sessions_in_the_order_of_their_arrival(broker: Broker, clock: ManualClock) -> None:
    for name in ("z", "m", "a"):
        await send(broker, INBOUND, name, session=name)
        clock.pass_(seconds=1)
    assert [await broker.accept_session(queue=INBOUND) for _ in range(4)] == ["z", "m", "a", None]


async def test_an_old_delivery_cannot_settle_a_new_one_of_the_same_hold(broker: Broker) -> None:
    await send(broker, INBOUND, "a", session="s")
    assert await broker.accept_session(queue=INBOUND) == "s"
    [first] = await next_of(broker, "s")
    await broker.abandon(message=first)
    [second] = await next_of(broker, "s")
    with pytest.raises(Conflict):
        await broker.complete(step=SETTLE, message=first)
    await broker.complete(step=SETTLE, message=second)


async def test_a_session_that_is_given_back_can_be_taken_and_counts_no_delivery(broker: Broker, another: Open) -> None:
    other = another()
    await send(broker, INBOUND, "a", session="s")
    assert await broker.accept_session(queue=INBOUND) == "s"
    [message] = await next_of(broker, "s")
    await broker.release_session(queue=INBOUND, session="s")
    with pytest.raises(Conflict):
        await broker.complete(step=SETTLE, message=message)
    with pytest.raises(Conflict):
        await next_of(broker, "s")
    assert await other.accept_session(queue=INBOUND) == "s"
    [again] = await next_of(other, "s")
    assert again.delivery_count == 1


async def test_an_empty_session_is_not_taken_again(broker: Broker) -> None:
    await send(broker, INBOUND, "a", session="s")
    assert await broker.accept_session(queue=INBOUND) == "s"
    [message] = await next_of(broker, "s")
    await broker.complete(step=SETTLE, message=message)
    await broker.release_session(queue=INBOUND, session="s")
    assert await broker.accept_session(queue=INBOUND) is None
    await send(broker, INBOUND, "b", session="s")
    assert await broker.accept_session(queue=INBOUND) == "s"


async def test_a_session_lock_that_was_lost_settles_nothing(broker: Broker, another: Open, clock: ManualClock) -> None:
    other = another()
    await send(broker, INBOUND, "a", "b", session="s")
    assert await broker.accept_session(queue=INBOUND) == "s"
    [late] = await next_of(broker, "s")
    clock.pass_(seconds=LOCK)
    assert await other.accept_session(queue=INBOUND) == "s"
    [again] = await next_of(other, "s")
    assert (again.body, again.delivery_count) == (b"a", 2)
    for settle in (broker.complete(step=SETTLE, message=late), broker.renew(message=late), next_of(broker, "s")):
        with pytest.raises(Conflict):
            await settle
    await broker.release_session(queue=INBOUND, session="s")
    await other.complete(step=SETTLE, message=again)


async def test_renewing_a_message_renews_its_session(broker: Broker, another: Open, clock: ManualClock) -> None:
    await send(broker, INBOUND, "a", "b", session="s")
    assert await broker.accept_session(queue=INBOUND) == "s"
    [first] = await next_of(broker, "s")
    clock.pass_(seconds=LOCK - 1)
    until = await broker.renew(message=first)
    await broker.complete(step=SETTLE, message=first)
    clock.pass_(seconds=LOCK - 1)
    assert await another().accept_session(queue=INBOUND) is None
    [second] = await next_of(broker, "s")
    assert second.locked_until == until
    await broker.complete(step=SETTLE, message=second)


async def test_a_message_of_a_session_dies_after_ten_deliveries(broker: Broker) -> None:
    await send(broker, INBOUND, "a", "b", session="s")
    assert await broker.accept_session(queue=INBOUND) == "s"
    for _ in range(10):
        [message] = await next_of(broker, "s")
        assert message.body == b"a"
        await broker.abandon(message=message)
    assert texts(await next_of(broker, "s")) == ["b"]
    assert texts(await receive(broker, DEAD_INBOUND)) == ["a"]


# --- waiting


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


async def test_data_survives_closing(another: Open) -> None:
    first = another()
    await send(first, TURNS, "a")
    await send(first, INBOUND, "b", session="s")
    await first.close()
    second = another()
    assert texts(await receive(second)) == ["a"]
    assert await second.accept_session(queue=INBOUND) == "s"

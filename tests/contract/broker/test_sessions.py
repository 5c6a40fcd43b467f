"""The Broker's contract about sessions, over every implementation: one holder, in order, nothing lost with a lock."""

from __future__ import annotations

import pytest

from shared.messages import Conflict
from shared.ports import Broker
from shared.topology import INBOUND
from tests.contract.broker.conftest import (
    DEAD_INBOUND,
    LOCK,
    SETTLE,
    Open,
    next_of,
    receive,
    send,
    texts,
)
from tests.fakes.clock import ManualClock


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


async def test_who_gives_a_lost_session_back_takes_no_delivery_back(
    broker: Broker, another: Open, clock: ManualClock
) -> None:
    other = another()
    await send(broker, INBOUND, "a", session="s")
    assert await broker.accept_session(queue=INBOUND) == "s"
    await next_of(broker, "s")
    clock.pass_(seconds=LOCK)
    assert await other.accept_session(queue=INBOUND) == "s"
    await broker.release_session(queue=INBOUND, session="s")
    [again] = await next_of(other, "s")
    assert again.delivery_count == 2


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

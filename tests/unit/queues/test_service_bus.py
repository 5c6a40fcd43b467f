"""What the real SDK sends arrives as it was meant: on an AMQP server that others wrote, and on Service Bus itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared import ids
from shared.messages import Refused, SettingError, TooLarge
from shared.ports import QueueMessage
from shared.queues.service_bus import ServiceBusQueue
from shared.steps import Step
from shared.topology import BACKGROUND, INBOUND, MAX_MESSAGE_BYTES, OUTBOUND, QUEUES, TURNS, QueueSettings
from tests.fakes.artemis import Artemis
from tests.fakes.service_bus import Namespace
from tests.unit.queues.conftest import settings_of

STEP = Step.ENQUEUE


def message(name: str = "", **more: object) -> QueueMessage:
    fields = {"body": f"body of {name}".encode(), "id": f"{name}-{ids.fresh()}", **more}
    return QueueMessage(**fields)  # type: ignore[arg-type]  # each test knows what it passes


@pytest.fixture
async def wire(artemis: Artemis) -> AsyncIterator[ServiceBusQueue]:
    """The adapter where every transfer can be seen."""
    queue = ServiceBusQueue(settings_of(artemis.connection_string))
    yield queue
    await queue.close()


# --- what arrives


async def test_a_message_arrives_with_all_that_it_has(namespace: Namespace, queue: ServiceBusQueue) -> None:
    session = ids.session(f"main:telegram:1:{ids.fresh()}")
    sent = message("Grüße", session=session, body=b"\x00\xff\xc3\xbc", properties={"traceparent": "00-ab", "ö": "☂"})

    await queue.send(step=STEP, queue=INBOUND, messages=[sent])

    [found] = await namespace.arrived(INBOUND, session, [sent.id])
    assert (found.id, found.session, found.body) == (sent.id, session, b"\x00\xff\xc3\xbc")
    assert found.properties == {"traceparent": "00-ab", "ö": "☂"}
    assert found.scheduled is None


async def test_the_longest_ids_arrive_whole(namespace: Namespace, queue: ServiceBusQueue) -> None:
    sent = QueueMessage(body=b"", id=f"{ids.fresh()}{'ä' * 96}", session=f"{ids.fresh()}{'s' * 96}")
    assert len(sent.id) == len(sent.session) == ids.MESSAGE_LENGTH

    await queue.send(step=STEP, queue=INBOUND, messages=[sent])

    [found] = await namespace.arrived(INBOUND, sent.session, [sent.id])
    assert (found.id, found.session, found.body) == (sent.id, sent.session, b"")


async def test_a_batch_arrives_in_its_order_also_over_sessions(namespace: Namespace, queue: ServiceBusQueue) -> None:
    one, two = ids.fresh(), ids.fresh()
    sent = [message(str(number), session=one if number % 3 else two) for number in range(12)]

    await queue.send(step=STEP, queue=INBOUND, messages=sent)

    for session in (one, two):
        wanted = [each.id for each in sent if each.session == session]
        assert [each.id for each in await namespace.arrived(INBOUND, session, wanted)] == wanted


async def test_a_scheduled_message_says_when(namespace: Namespace, queue: ServiceBusQueue) -> None:
    # Another zone's words for the time, as a caller may have them.
    at = (datetime.now(UTC) + timedelta(seconds=5)).replace(microsecond=0).astimezone(timezone(timedelta(hours=5)))
    later, now = message("later", enqueue_at=at), message("now")

    await queue.send(step=STEP, queue=TURNS, messages=[later, now])

    found = {each.id: each for each in await namespace.arrived(TURNS, "", [later.id, now.id])}
    assert found[later.id].scheduled == at
    assert found[now.id].scheduled is None


# --- what goes together


async def test_one_call_is_one_transfer(artemis: Artemis, wire: ServiceBusQueue) -> None:
    sent = [message(str(number), enqueue_at=datetime.now(UTC) + timedelta(hours=number)) for number in range(3)]
    await wire.send(step=STEP, queue=TURNS, messages=sent)

    [transfer] = artemis.transfers(TURNS)
    assert transfer.batch
    assert [each.id for each in transfer.messages] == [each.id for each in sent]


async def test_one_message_needs_no_batch(artemis: Artemis, wire: ServiceBusQueue) -> None:
    await wire.send(step=STEP, queue=TURNS, messages=[message()])

    [transfer] = artemis.transfers(TURNS)
    assert not transfer.batch


async def test_nothing_is_sent_for_no_messages(artemis: Artemis, wire: ServiceBusQueue) -> None:
    await wire.send(step=STEP, queue=TURNS, messages=[])
    assert artemis.tokens(TURNS) == []


async def test_calls_that_wait_go_together_in_their_order(artemis: Artemis, wire: ServiceBusQueue) -> None:
    await wire.send(step=STEP, queue=TURNS, messages=[message("before")])
    calls = [[message(f"{number}a"), message(f"{number}b")] for number in range(50)]

    await asyncio.gather(*(wire.send(step=STEP, queue=TURNS, messages=call) for call in calls))

    _, *transfers = artemis.transfers(TURNS)
    assert [each.id for transfer in transfers for each in transfer.messages] == [m.id for call in calls for m in call]
    assert len(transfers) < len(calls) / 2
    assert all(len(transfer.messages) % 2 == 0 for transfer in transfers), "a call was torn apart"


async def test_large_calls_that_wait_do_not_become_too_large_together(artemis: Artemis, wire: ServiceBusQueue) -> None:
    calls = [message(str(number), body=b"x" * 100_000) for number in range(5)]
    await asyncio.gather(*(wire.send(step=STEP, queue=TURNS, messages=[call]) for call in calls))
    assert [m.id for transfer in artemis.transfers(TURNS) for m in transfer.messages] == [call.id for call in calls]


async def test_queues_are_sent_to_side_by_side_over_a_link_each(artemis: Artemis, wire: ServiceBusQueue) -> None:
    queues = (TURNS, OUTBOUND, BACKGROUND)
    for _ in range(3):
        await asyncio.gather(*(wire.send(step=STEP, queue=queue, messages=[message()]) for queue in queues))

    for queue in queues:
        assert sum(len(transfer.messages) for transfer in artemis.transfers(queue)) == 3
        assert artemis.tokens(queue) == [True], "one connection, opened once and kept"


async def test_opening_early_leaves_less_for_the_first_message(artemis: Artemis, wire: ServiceBusQueue) -> None:
    await wire.open()
    assert artemis.tokens(INBOUND) == [True]
    assert artemis.transfers(INBOUND) == []

    await wire.send(step=STEP, queue=INBOUND, messages=[message(session="s")])
    assert artemis.tokens(INBOUND) == [True]
    assert len(artemis.transfers(INBOUND)) == 1


# --- callers that go


async def test_a_caller_that_goes_does_not_take_others_with_it(artemis: Artemis, wire: ServiceBusQueue) -> None:
    kept, dropped = message("kept"), message("dropped")
    impatient = asyncio.create_task(wire.send(step=STEP, queue=TURNS, messages=[dropped]))
    patient = asyncio.create_task(wire.send(step=STEP, queue=TURNS, messages=[kept]))
    await asyncio.sleep(0)  # both have asked
    impatient.cancel()
    await patient

    assert impatient.cancelled() or await asyncio.wait([impatient])
    assert kept.id in [each.id for transfer in artemis.transfers(TURNS) for each in transfer.messages]
    await wire.send(step=STEP, queue=TURNS, messages=[message("after")])


async def test_closing_sends_what_waits(artemis: Artemis) -> None:
    queue = ServiceBusQueue(settings_of(artemis.connection_string))
    await queue.open()
    sending = asyncio.create_task(queue.send(step=STEP, queue=INBOUND, messages=[message(session="s")]))
    await asyncio.sleep(0)  # it has asked
    await queue.close()
    await sending
    assert len(artemis.transfers(INBOUND)) == 1


# --- what is refused before anything is sent


async def test_what_is_too_large_is_not_sent(artemis: Artemis, wire: ServiceBusQueue) -> None:
    heavy = message(body=b"x" * (MAX_MESSAGE_BYTES + 1))
    half = message(body=b"x" * (MAX_MESSAGE_BYTES // 2))
    for messages in ([heavy], [message(), heavy], [half, half]):
        with pytest.raises(TooLarge):
            await wire.send(step=STEP, queue=TURNS, messages=messages)
    assert artemis.tokens(TURNS) == [], "not even a connection was made"


async def test_what_only_encoding_makes_too_large_is_not_sent(artemis: Artemis, wire: ServiceBusQueue) -> None:
    full = message(body=b"x" * (MAX_MESSAGE_BYTES - 40))
    nearly = message(body=b"x" * (MAX_MESSAGE_BYTES - 100))
    for messages in ([full], [nearly, message(body=b"y")]):
        with pytest.raises(TooLarge, match="turns"):
            await wire.send(step=STEP, queue=TURNS, messages=messages)
    await wire.send(step=STEP, queue=TURNS, messages=[message("small")])

    [transfer] = artemis.transfers(TURNS)
    assert len(transfer.messages) == 1
    assert artemis.tokens(TURNS) == [True], "the link was as good as before"


async def test_the_largest_body_of_a_webhook_fits(namespace: Namespace, queue: ServiceBusQueue) -> None:
    from shared.pipeline.webhook import INLINE_BYTES

    sent = message("large", body=b"x" * INLINE_BYTES, session=ids.fresh())
    await queue.send(step=STEP, queue=INBOUND, messages=[sent])
    [found] = await namespace.arrived(INBOUND, sent.session, [sent.id])
    assert found.body == sent.body


async def test_what_a_queue_does_not_do_is_refused(artemis: Artemis, wire: ServiceBusQueue) -> None:
    with pytest.raises(Refused):
        await wire.send(step=STEP, queue=INBOUND, messages=[message()])
    with pytest.raises(Refused):
        await wire.send(step=STEP, queue=TURNS, messages=[message(id="i" * 129)])
    with pytest.raises(Refused):
        await wire.send(step=STEP, queue="no such queue", messages=[message()])


async def test_a_queue_that_the_namespace_lacks_is_named(namespace: Namespace) -> None:
    queue = ServiceBusQueue(settings_of(namespace.connection_string), queues={"forgotten": QueueSettings(), **QUEUES})
    with pytest.raises(SettingError, match="ServiceBusConnection.*no queue 'forgotten'"):
        await queue.send(step=STEP, queue="forgotten", messages=[message()])
    await queue.close()

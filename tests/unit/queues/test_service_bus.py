"""What the real SDK sends arrives as it was meant: on an AMQP server that others wrote, and on Service Bus itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from shared import ids
from shared.app import App
from shared.messages import QueueUnavailable, Refused, SettingError, TooLarge
from shared.ports import QueueMessage, WebhookRequest
from shared.queues import service_bus_sender
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
    await wire.examine()
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
    await queue.examine()
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
    with pytest.raises(SettingError, match="ServiceBusConnection.*no queue 'forgotten'") as raised:
        await queue.send(step=STEP, queue="forgotten", messages=[message()])
    assert isinstance(raised.value, QueueUnavailable), "who needs it waits until it is there"
    await queue.close()


# --- the whole app


def app_on(connection_string: str, home: Path) -> App:
    environ = {
        "PRAXOS_HOME": str(home),
        "PRAXOS_QUEUE": "servicebus",
        "ServiceBusConnection": connection_string,
        "TELEGRAM_BOT_TOKEN": "123456789:a-token-of-nobody",
        "TELEGRAM_WEBHOOK_SECRET": "a-secret-of-this-test",
    }
    return App(environ=environ)


def telegram_says(text: str) -> WebhookRequest:
    sender = {"id": 7, "is_bot": False, "first_name": "Ann"}
    update = {
        "update_id": 10,
        "message": {
            "message_id": 1, "date": 1_790_000_000, "chat": {"id": 7, "type": "private"}, "from": sender, "text": text,
        },
    }  # fmt: skip
    return WebhookRequest(
        method="POST",
        url="https://praxos.example/api/webhooks/telegram",
        headers={"x-telegram-bot-api-secret-token": "a-secret-of-this-test"},
        query={},
        body=json.dumps(update).encode(),
    )


async def test_a_webhook_that_got_a_2xx_is_on_the_queue(artemis: Artemis, tmp_path: Path) -> None:
    app = app_on(artemis.connection_string, tmp_path)
    assert await app.problems() == []
    response = await app.webhooks.handle(name="telegram", request=telegram_says("hello"))
    await app.close()

    assert response.status == 200
    [transfer] = artemis.transfers(INBOUND)
    [found] = transfer.messages
    event = json.loads(found.body)["event"]
    assert (event["text"], found.id, found.session) == ("hello", event["id"], "main:telegram:123456789:7")


async def test_a_webhook_that_could_not_be_queued_is_to_come_again(
    artemis: Artemis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_bus_sender, "SEND_SECONDS", 1.0)
    app = app_on(artemis.connection_string.replace(str(artemis.port), "1"), tmp_path)
    response = await app.webhooks.handle(name="telegram", request=telegram_says("hello"))
    [problem] = await app.problems()
    await app.close()

    assert response.status == 503
    assert problem.startswith("queue: inbound: Service Bus did not take it")

"""What goes wrong between the SDK and Service Bus: nothing is lost, and what comes twice has the same id.

The server that others wrote is asked to fail; the SDK and the adapter are the real ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import ServiceBusError

from shared import ids
from shared.messages import QueueUnavailable, SettingError
from shared.ports import QueueMessage
from shared.queues import service_bus_sender
from shared.queues.service_bus import ServiceBusQueue
from shared.steps import Step
from shared.topology import INBOUND, TURNS
from tests.fakes.artemis import Artemis
from tests.unit.queues.conftest import settings_of

STEP = Step.ENQUEUE
SESSION = "s"


@pytest.fixture
async def queue(artemis: Artemis) -> AsyncIterator[ServiceBusQueue]:
    queue = ServiceBusQueue(settings_of(artemis.connection_string))
    yield queue
    await queue.close()


async def send(queue: ServiceBusQueue, *names: str) -> None:
    messages = [QueueMessage(body=name.encode(), id=name, session=SESSION) for name in names]
    await queue.send(step=STEP, queue=INBOUND, messages=messages)


def stored(artemis: Artemis) -> list[str]:
    """The ids that are on the server, each as often as it came."""
    return [message.id for transfer in artemis.transfers(INBOUND) for message in transfer.messages]


# What happens to a link that was used before, and how often the same message may come then.
FAULTS = [
    pytest.param("drop inbound", 2, id="the connection was cut"),
    pytest.param("detach inbound amqp:link:detach-forced", 2, id="the idle link was taken down"),
    pytest.param("detach inbound com.microsoft:server-busy", 2, id="the link was taken down to throttle"),
    pytest.param("detach inbound amqp:unauthorized-access", 2, id="the authorisation of the link expired"),
    pytest.param("detach inbound amqp:internal-error", 2, id="the server had trouble"),
    pytest.param("busy inbound 1", 1, id="a transfer was throttled"),
    pytest.param("mute inbound 1", 2, id="the answer got lost with the connection"),
]


@pytest.mark.parametrize(("fault", "most"), FAULTS)
async def test_it_is_sent_again_with_the_same_id(
    fault: str, most: int, artemis: Artemis, queue: ServiceBusQueue
) -> None:
    await send(queue, "before")
    artemis.do(fault)

    await send(queue, "a", "b")
    await send(queue, "after")

    found = stored(artemis)
    assert set(found) == {"before", "a", "b", "after"}
    assert 1 <= found.count("a") == found.count("b") <= most, "a batch is sent again as a whole"
    assert found.count("before") == found.count("after") == 1
    assert found[-1] == "after"


@pytest.mark.parametrize(("fault", "most"), FAULTS)
async def test_without_sending_again_it_would_fail(fault: str, most: int, artemis: Artemis) -> None:
    async with (
        ServiceBusClient.from_connection_string(artemis.connection_string, retry_total=0, try_timeout=3) as client,
        client.get_queue_sender(INBOUND) as sender,
    ):
        await sender.send_messages(ServiceBusMessage(b"", message_id="before", session_id=SESSION))
        artemis.do(fault)
        with pytest.raises(ServiceBusError):
            await sender.send_messages(ServiceBusMessage(b"", message_id="a", session_id=SESSION))


async def test_a_link_that_was_idle_for_long_is_made_anew_before_it_is_used(artemis: Artemis) -> None:
    queue = ServiceBusQueue(settings_of(artemis.connection_string), idle_seconds=0)
    for name in ("a", "b"):
        await send(queue, name)
        artemis.do("detach inbound amqp:link:detach-forced")
    await send(queue, "c")
    await queue.close()

    assert stored(artemis) == ["a", "b", "c"], "each came once: nothing went over a link that was down"
    assert artemis.tokens(INBOUND) == [True, True, True]


async def test_a_token_that_is_refused_is_renewed(artemis: Artemis, queue: ServiceBusQueue) -> None:
    artemis.do("refuse-token inbound 1")
    await send(queue, "a")
    assert artemis.tokens(INBOUND) == [False, True]
    assert stored(artemis) == ["a"]


async def test_a_refused_link_is_tried_again(artemis: Artemis, queue: ServiceBusQueue) -> None:
    artemis.do("deny inbound 1")
    await send(queue, "a")
    assert stored(artemis) == ["a"]


@pytest.mark.parametrize("fault", ["refuse-token inbound 99", "deny inbound 99"])
async def test_a_refusal_that_stays_names_the_role_and_passes_once_it_is_there(
    fault: str, artemis: Artemis, queue: ServiceBusQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_bus_sender, "PAUSES", (0.0,))
    artemis.do(fault)
    with pytest.raises(QueueUnavailable, match="inbound: .*role Azure Service Bus Data Sender") as raised:
        await send(queue, "a")
    assert isinstance(raised.value, SettingError)
    assert stored(artemis) == []

    artemis.forget()
    await send(queue, "a")
    assert stored(artemis) == ["a"]


async def test_throttling_that_stays_says_how_long_to_wait(artemis: Artemis, queue: ServiceBusQueue) -> None:
    artemis.do("busy inbound 99")
    with pytest.raises(QueueUnavailable, match="throttles") as raised:
        await send(queue, "a")
    assert raised.value.retry_after == 10
    assert artemis.tokens(INBOUND) == [True], "throttled, it makes no new connections"

    artemis.forget()
    await send(queue, "a")
    assert stored(artemis) == ["a"]


async def test_one_queue_in_trouble_holds_up_no_other(artemis: Artemis, queue: ServiceBusQueue) -> None:
    artemis.do("busy inbound 99")
    troubled = asyncio.create_task(send(queue, "a"))
    bell = QueueMessage(body=b"", id=ids.fresh())
    await queue.send(step=STEP, queue=TURNS, messages=[bell])

    assert not troubled.done()
    assert [m.id for t in artemis.transfers(TURNS) for m in t.messages] == [bell.id]
    artemis.forget()
    await troubled
    assert stored(artemis) == ["a"]


async def test_calls_that_wait_through_trouble_keep_their_order(artemis: Artemis, queue: ServiceBusQueue) -> None:
    artemis.do("busy inbound 1")
    names = [str(number) for number in range(20)]
    await asyncio.gather(*(send(queue, name) for name in names))
    assert stored(artemis) == names


async def test_a_server_that_is_away_is_told_within_the_time(artemis: Artemis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_bus_sender, "SEND_SECONDS", 2.0)
    nowhere = artemis.connection_string.replace(str(artemis.port), "1")
    queue = ServiceBusQueue(settings_of(nowhere))
    async with asyncio.timeout(10):
        with pytest.raises(QueueUnavailable, match="inbound: Service Bus did not take it"):
            await send(queue, "a")
    await queue.close()


async def test_a_server_that_never_answers_is_given_up(artemis: Artemis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_bus_sender, "SEND_SECONDS", 2.0)
    monkeypatch.setattr(service_bus_sender, "ATTEMPT_SECONDS", 0.5)
    hold = asyncio.Event()

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hold.wait()
        writer.close()

    async with await asyncio.start_server(silence, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        queue = ServiceBusQueue(settings_of(artemis.connection_string.replace(str(artemis.port), str(port))))
        async with asyncio.timeout(15):
            with pytest.raises(QueueUnavailable):
                await send(queue, "a")
            await queue.close()
        hold.set()

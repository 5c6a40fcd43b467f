"""One trace where the queues are AMQP: from the webhook to the reply, and through a run that asks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from shared.messages import Bell
from shared.queues import service_bus
from shared.telemetry.carrying import parsed
from shared.topology import INBOUND
from tests.fakes import telegram_updates as updates
from tests.fakes.artemis import Artemis
from tests.fakes.azure_deployment import AzureDeployment, deployed
from tests.fakes.spans import Seen, names, of_event, orphans, roots
from tests.fakes.telegram import FakeTelegram
from tests.unit.telemetry.conftest import Recorded

HEADERS = {"content-type": "application/json", "x-telegram-bot-api-secret-token": updates.SECRET}


@pytest.fixture
async def praxos(tmp_path: Path, artemis: Artemis, recorded: Recorded) -> AsyncIterator[AzureDeployment]:
    async with (
        FakeTelegram() as telegram,
        deployed(
            tmp_path,
            artemis=artemis,
            TELEGRAM_BOT_TOKEN=updates.TOKEN,
            TELEGRAM_WEBHOOK_SECRET=updates.SECRET,
            TELEGRAM_API_BASE=telegram.url,
        ) as made,
    ):
        yield made


async def say(praxos: AzureDeployment, text: str) -> str:
    """Post a message; return its event once everything that came of it is done."""
    update = updates.text(text)
    await praxos.post(json.dumps(update).encode(), HEADERS)
    return f"main:telegram:{updates.BOT_ID}:{update['update_id']}"


def whole(spans: Sequence[Seen]) -> None:
    assert roots(spans) == ["webhook"]
    assert orphans(spans) == []


async def test_a_message_is_one_trace_and_every_transfer_carries_it(
    praxos: AzureDeployment, recorded: Recorded
) -> None:
    event = await say(praxos, "what time is it in Berlin?")
    spans = of_event(recorded.seen(), event)
    whole(spans)
    assert {"webhook", "intake", "turn", "execute_tool current_time", "delivery"} <= set(names(spans))
    assert {queue for queue, _ in praxos.sent} >= {INBOUND, "turns", "outbound"}
    assert carried_by(praxos) == {spans[0].trace}


def carried_by(praxos: AzureDeployment) -> set[str]:
    """The traces that the application properties on the wire name; each says the same as the body beside it."""
    found = set()
    for queue, message in praxos.sent:
        place = parsed(message.properties["traceparent"])
        assert place
        if queue != INBOUND:
            assert Bell.model_validate_json(message.body).traceparent == message.properties["traceparent"]
        found.add(place[0])
    return found


async def test_a_run_that_asks_is_one_trace_too(praxos: AzureDeployment, recorded: Recorded) -> None:
    await say(praxos, "remember that my cat is called Tom")
    event = await say(praxos, "forget everything")
    await say(praxos, "yes")
    spans = of_event(recorded.seen(), event)
    whole(spans)
    assert {"webhook", "intake", "turn", "question", "answer", "run segment", "execute_tool forget"} <= set(
        names(spans)
    )


async def test_without_the_properties_the_wire_would_carry_nothing(
    praxos: AzureDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapped = service_bus._outgoing

    def bare(message: Any) -> Any:
        made = mapped(message)
        made.application_properties = None
        return made

    monkeypatch.setattr(service_bus, "_outgoing", bare)
    await say(praxos, "hello")
    with pytest.raises(KeyError):
        carried_by(praxos)


async def test_without_what_the_event_carries_it_would_be_torn(
    praxos: AzureDeployment, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = AzureDeployment._handle

    async def forgetful(self: AzureDeployment, queue: str, body: bytes) -> None:
        if queue == INBOUND:
            inbound = json.loads(body)
            inbound["event"] |= {"traceparent": "", "tracestate": ""}
            body = json.dumps(inbound).encode()
        await handle(self, queue, body)

    monkeypatch.setattr(AzureDeployment, "_handle", forgetful)
    event = await say(praxos, "hello")
    assert names(of_event(recorded.seen(), event)) == ["webhook"]
    assert "delivery" in names(recorded.seen())

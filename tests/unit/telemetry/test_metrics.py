"""Metrics: tools by outcome, models by the conventions, money by user, queues over a callback."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from langchain_core.messages import AIMessage
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from shared import telemetry
from shared.agent import observed
from shared.messages import OutcomeUnknown, QueueUnavailable
from shared.pipeline.queue_watch import EVERY_SECONDS, QueueWatch
from shared.ports import ToolError
from shared.telemetry import Metric, metrics, spans
from shared.telemetry.described import QueueState
from shared.telemetry.measuring import OpenTelemetryMeters
from tests.fakes.clock import ManualClock
from tests.unit.telemetry.conftest import Recorded

SAID = AIMessage(
    "canary",
    usage_metadata={"input_tokens": 1_000_000, "output_tokens": 500_000, "total_tokens": 1_500_000},
    response_metadata={"model_name": "gpt-5-2026", "finish_reason": "stop"},
)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "done"),
        (ToolError("canary"), "refused"),
        (OutcomeUnknown("canary"), "unknown"),
        (TimeoutError(), "too slow"),
        (ZeroDivisionError("canary"), "error"),
        (asyncio.CancelledError(), "cut"),
    ],
)
def test_calls_of_tools_are_counted_by_outcome(recorded: Recorded, error: BaseException | None, outcome: str) -> None:
    with suppress(BaseException), observed.tool_call(Named(), call="call_1"):
        if error:
            raise error
    assert recorded.points("praxos.tool.calls") == [({"gen_ai.tool.name": "look", "praxos.outcome": outcome}, 1)]
    call = recorded.span("execute_tool look")
    assert call.attributes["praxos.outcome"] == outcome
    assert "canary" not in call.to_json()


class Named:
    name = "look"
    effect = "read"


def test_a_call_of_a_model_has_its_tokens_and_what_they_cost_whom(recorded: Recorded) -> None:
    prices = observed.prices("openai:gpt-5=1.25/10, demo=0/0")
    user = telemetry.hashed("main", "ann")
    with telemetry.bind(user=user), observed.model_call("openai:gpt-5", prices=prices) as call:
        call.answered(SAID)
    chat = recorded.span("chat gpt-5")
    assert {name: chat.attributes[name] for name in chat.attributes if name.startswith("gen_ai")} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.response.model": "gpt-5-2026",
        "gen_ai.response.finish_reasons": "stop",
        "gen_ai.usage.input_tokens": 1_000_000,
        "gen_ai.usage.output_tokens": 500_000,
    }
    assert "canary" not in chat.to_json()
    [(attributes, cost)] = recorded.points("praxos.user.cost")
    assert cost == pytest.approx(1.25 + 5)
    assert attributes == {"praxos.user": user, "praxos.model": "openai:gpt-5"}
    assert sorted(value for _, value in recorded.points("praxos.user.tokens")) == [500_000, 1_000_000]
    assert sorted(value for _, value in recorded.points("gen_ai.client.token.usage")) == [500_000, 1_000_000]


def test_a_model_that_fails_is_measured_too_and_its_words_are_not_kept(recorded: Recorded) -> None:
    with suppress(ValueError), observed.model_call("demo", prices={}):
        raise ValueError("canary")
    [(attributes, _)] = recorded.points("gen_ai.client.operation.duration")
    assert attributes["error.type"] == "ValueError"
    assert "canary" not in recorded.span("chat demo").to_json()


def test_where_the_price_is_not_known_no_money_is_counted(recorded: Recorded) -> None:
    with observed.model_call("openai:gpt-5", prices={}) as call:
        call.answered(SAID)
    assert recorded.points("praxos.user.cost") == []
    assert recorded.points("praxos.user.tokens")


def test_values_from_before_the_exporters_are_loaded_are_not_lost() -> None:
    meters, reader = OpenTelemetryMeters(), InMemoryMetricReader()
    metrics.use(meters)
    try:
        telemetry.add(Metric.ERRORS, 2, {"error.type": "NotTaken"})
        telemetry.watch_queues(lambda: [QueueState("inbound", 7, 1.5)])
        meters.open(MeterProvider([reader], shutdown_on_exit=False).get_meter("test"))
        telemetry.add(Metric.ERRORS, 3, {"error.type": "NotTaken"})
    finally:
        metrics.use(None)
    found = [
        metric
        for one in reader.get_metrics_data().resource_metrics
        for scope in one.scope_metrics
        for metric in scope.metrics
    ]
    values = {metric.name: [point.value for point in metric.data.data_points] for metric in found}
    assert values == {"praxos.errors": [5], "praxos.queue.depth": [7], "praxos.queue.oldest_age": [1.5]}


# --- queues ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Depth:
    queue: str
    waiting: int
    oldest: datetime | None
    dead_letters: int = 0


class Broker:
    def __init__(self, *found: Depth) -> None:
        self.found: Sequence[Depth] | None = found
        self.looks = 0

    async def depths(self) -> Sequence[Depth]:
        self.looks += 1
        if self.found is None:
            raise QueueUnavailable("away")
        return self.found


async def test_the_queues_are_looked_at_once_a_minute_and_told_by_name(recorded: Recorded) -> None:
    clock = ManualClock()
    broker = Broker(Depth("inbound", 3, clock.now() - timedelta(seconds=9), dead_letters=2), Depth("turns", 0, None))
    watch = QueueWatch(broker=lambda: broker, clock=clock)
    await watch.look()
    await watch.look()
    assert broker.looks == 1
    depths = {str(attributes["praxos.queue"]): value for attributes, value in recorded.points("praxos.queue.depth")}
    assert depths == {"inbound": 3, "inbound/$DeadLetterQueue": 2, "turns": 0, "turns/$DeadLetterQueue": 0}
    ages = {str(attributes["praxos.queue"]): value for attributes, value in recorded.points("praxos.queue.oldest_age")}
    assert ages == {"inbound": 9, "turns": 0}
    broker.found = None
    clock.pass_(seconds=EVERY_SECONDS)
    await watch.look()
    assert broker.looks == 2, "a broker that is away is no reason for the sweep to fail"


async def test_nobody_looks_where_nothing_is_recorded_or_the_broker_does_not_tell(recorded: Recorded) -> None:
    broker = Broker()
    await QueueWatch(broker=object, clock=ManualClock()).look()
    spans.use(None)
    await QueueWatch(broker=lambda: broker, clock=ManualClock()).look()
    assert broker.looks == 0

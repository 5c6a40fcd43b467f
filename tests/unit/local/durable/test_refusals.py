"""What this host does not implement is refused by its name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import azure.durable_functions as df
import pytest

from tests.unit.local.durable.conftest import Open

ENTITY = df.EntityId("counter", "one")


@pytest.mark.parametrize(
    ("act", "named"),
    [
        (lambda context: context.call_sub_orchestrator("other"), "call_sub_orchestrator"),
        (
            lambda context: context.call_sub_orchestrator_with_retry("other", df.RetryOptions(1, 2)),
            "call_sub_orchestrator_with_retry",
        ),
        (lambda context: context.call_entity(ENTITY, "add"), "call_entity"),
        (lambda context: context.call_http("GET", "http://127.0.0.1"), "call_http"),
        (lambda context: context.task_any([context.call_http("GET", "http://127.0.0.1")]), "call_http"),
    ],
)
async def test_an_orchestration_that_wants_it_fails(
    start: Open, act: Callable[[df.DurableOrchestrationContext], Any], named: str
) -> None:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        yield act(context)

    durable = await start(app)
    status = await durable.end(await durable.client.start_new("run"))

    assert status.runtime_status is df.OrchestrationRuntimeStatus.Failed
    assert "the local host does not implement" in status.output
    assert named in status.output


async def test_signalling_an_entity_fails_the_orchestration_too(start: Open) -> None:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        context.signal_entity(ENTITY, "add")
        yield context.wait_for_external_event("never")

    durable = await start(app)
    status = await durable.end(await durable.client.start_new("run"))

    assert "signal_entity" in status.output


@pytest.mark.parametrize(
    ("act", "named"),
    [
        (lambda client: client.suspend("x", "why"), "suspend"),
        (lambda client: client.resume("x", "why"), "resume"),
        (lambda client: client.rewind("x", "why"), "rewind"),
        (lambda client: client.restart("x"), "restart"),
        (lambda client: client.signal_entity(ENTITY, "add"), "signal_entity"),
        (lambda client: client.read_entity_state(ENTITY), "read_entity_state"),
        (lambda client: client.get_status_all(), "get_status_all"),
    ],
)
async def test_a_client_that_wants_it_gets_an_error_and_the_log_names_it(
    start: Open, caplog: pytest.LogCaptureFixture, act: Callable[[Any], Any], named: str
) -> None:
    durable = await start(df.DFApp())
    with caplog.at_level(logging.ERROR), pytest.raises(Exception, match="501|does not implement"):
        await act(durable.client)

    assert any(f"does not implement {named}" in line or named in line for line in caplog.messages)

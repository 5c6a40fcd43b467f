"""A recorded history is replayed against the code: the same code does the same, other code is found out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import pytest

from tests.fakes.histories import Recording, differences, dump, record
from tests.unit.local.durable.conftest import Open


def code(
    *, activity: str = "note", event: str = "go", minutes: int = 5, last: str = "end"
) -> Callable[[Any], Iterator[Any]]:
    def run(context: df.DurableOrchestrationContext) -> Iterator[Any]:
        context.set_custom_status("waits")
        first = yield context.call_activity(activity, context.get_input())
        late = context.create_timer(context.current_utc_datetime + timedelta(minutes=minutes))
        told = context.wait_for_external_event(event)
        yield context.task_any([told, late])
        late.cancel()
        options = df.RetryOptions(first_retry_interval_in_milliseconds=10, max_number_of_attempts=2)
        try:
            yield context.call_activity_with_retry("fails", options)
        except Exception:
            return [first, last]

    return run


def orchestrator(written: Callable[[Any], Iterator[Any]]) -> Callable[[Any], str]:
    return df.Orchestrator.create(written)


@pytest.fixture
async def recording(start: Open) -> Recording:
    app = df.DFApp()

    @app.activity_trigger(input_name="what")
    async def note(what: Any) -> Any:
        return what

    @app.activity_trigger(input_name="what")
    async def fails(what: Any) -> Any:
        raise ValueError("as it should")

    written = code()
    written.__name__ = "run"
    app.orchestration_trigger(context_name="context")(written)
    durable = await start(app)
    id = await durable.client.start_new("run", "recorded", {"a": 1})
    await durable.history(id, at_least=8)
    await durable.client.raise_event(id, "go")
    assert await durable.output(id) == [{"a": 1}, "end"]
    return record(dump(durable.storage, id=id), durable.orchestrator("run"))


async def test_the_same_code_replays_every_episode_alike(recording: Recording) -> None:
    kept: Recording = json.loads(json.dumps(recording))

    assert len(kept["said"]) == 7
    assert differences(kept, orchestrator(code())) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"activity": "other"}, "Non-Deterministic"),
        ({"event": "gone"}, "gone"),
        ({"minutes": 6}, "fireAt"),
        ({"last": "other"}, "episode 6: output"),
    ],
)
async def test_other_code_is_found_out(recording: Recording, change: dict[str, Any], named: str) -> None:
    found = differences(recording, orchestrator(code(**change)))

    assert any(named in each for each in found), found


async def test_an_instance_that_waits_can_be_recorded_too(start: Open) -> None:
    app = df.DFApp()

    def written(context: df.DurableOrchestrationContext) -> Iterator[Any]:
        yield context.wait_for_external_event("never")

    written.__name__ = "waits"
    app.orchestration_trigger(context_name="context")(written)
    durable = await start(app)
    id = await durable.client.start_new("waits")
    await durable.history(id, at_least=3)
    made = record(dump(durable.storage, id=id), durable.orchestrator("waits"))

    assert differences(made, durable.orchestrator("waits")) == []

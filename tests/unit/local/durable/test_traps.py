"""Where Azure is not kind, neither is this host."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
import pytest

from local.durable.limits import MAX_PAYLOAD_BYTES
from tests.unit.local.durable.conftest import Durable, Open, SlowActivity, until

FAILED = df.OrchestrationRuntimeStatus.Failed


def waiting_app() -> df.DFApp:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        if context.get_input() == "wait":
            return (yield context.wait_for_external_event("go"))
        return context.get_input()

    return app


async def waiting(durable: Durable, id: str) -> str:
    await durable.client.start_new("run", id, "wait")
    await durable.history(id, at_least=3)
    return id


async def test_a_finished_instance_is_silently_replaced_and_runs_again(start: Open) -> None:
    durable = await start(waiting_app())

    assert await durable.output(await durable.client.start_new("run", "same", "first")) == "first"
    assert await durable.output(await durable.client.start_new("run", "same", "second")) == "second"
    started = [event for event in durable.storage.history(id="same") if event["EventType"] == 0]
    assert [event["Input"] for event in started] == ['"\\"second\\""']


async def test_a_running_or_pending_instance_is_not_replaced(start: Open) -> None:
    durable = await start(waiting_app())
    id = await waiting(durable, "runs")
    with pytest.raises(Exception, match="instance with the status Running already exists"):
        await durable.client.start_new("run", id, "wait")

    idle = await start(df.DFApp(), engine=False)
    await durable.service.stop(seconds=1)
    await idle.client.start_new("run", "not yet", "wait")
    with pytest.raises(Exception, match="instance with the status Pending already exists"):
        await idle.client.start_new("run", "not yet", "wait")


async def test_an_event_to_a_finished_or_unknown_instance_raises(start: Open) -> None:
    durable = await start(waiting_app())
    await durable.output(await durable.client.start_new("run", "over", "x"))

    with pytest.raises(Exception, match="is gone: either completed or failed"):
        await durable.client.raise_event("over", "go")
    with pytest.raises(Exception, match="No instance with ID nobody found"):
        await durable.client.raise_event("nobody", "go")
    with pytest.raises(Exception, match="No instance with ID 'nobody' found"):
        await durable.client.terminate("nobody", "why")


async def test_what_is_raised_arrives_as_its_json_text(start: Open) -> None:
    """azure-functions-durable-python#295: the client encodes it twice, the orchestrator decodes it once."""
    durable = await start(waiting_app())
    id = await waiting(durable, "text")

    await durable.client.raise_event(id, "go", {"yes": False})

    assert await durable.output(id) == '{"yes": false}'


async def test_an_event_before_anybody_waits_is_kept_until_somebody_does(start: Open) -> None:
    app = df.DFApp()
    gate = asyncio.Event()

    @app.activity_trigger(input_name="none")
    async def hold(none: Any) -> None:
        await gate.wait()

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        yield context.call_activity("hold")
        return (yield context.wait_for_external_event("go"))

    durable = await start(app)
    id = await durable.client.start_new("run", "early")
    await durable.history(id, at_least=4)
    await durable.client.raise_event(id, "go", 1)
    await durable.history(id, at_least=7)
    gate.set()

    assert await durable.output(id) == "1"


async def test_one_early_event_wakes_one_wait_though_the_library_sees_it_in_every_later_one(start: Open) -> None:
    """The library keeps an early event for each later wait of its name; the extension, and this engine, for one."""
    app = df.DFApp()
    gate = asyncio.Event()
    calls: list[str] = []

    @app.activity_trigger(input_name="what")
    async def note(what: str) -> None:
        calls.append(what)
        await gate.wait()

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        for what in ("first", "second", "third"):
            yield context.call_activity("note", what)
            late = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
            yield context.task_any([context.wait_for_external_event("bell"), late])
            late.cancel()

    durable = await start(app)
    id = await durable.client.start_new("run", "bells")
    await until(lambda: calls)
    await durable.client.raise_event(id, "bell")
    await durable.history(id, at_least=7)
    gate.set()
    await until(lambda: len(calls) == 2)
    # The second activity returned, and its episode found nothing that it may go on with.
    await until(lambda: sum(event["EventType"] == 5 for event in durable.storage.history(id=id)) == 2)
    assert (await durable.client.get_status(id)).runtime_status is df.OrchestrationRuntimeStatus.Running

    scheduled = [event for event in durable.storage.history(id=id) if event["EventType"] == 4]
    assert len(scheduled) == 2, "the third begins with the second bell"
    await durable.client.raise_event(id, "bell")
    await until(lambda: len(calls) == 3)
    await durable.client.raise_event(id, "bell")
    await durable.output(id)


async def test_continuing_as_new_drops_the_events_that_were_not_used(start: Open) -> None:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        if context.get_input() == "again":
            pause = context.create_timer(context.current_utc_datetime + timedelta(milliseconds=300))
            bell = context.wait_for_external_event("bell")
            winner = yield context.task_any([bell, pause])
            return "bell" if winner is bell else "lost"
        yield context.wait_for_external_event("go")
        context.continue_as_new("again")

    durable = await start(app)
    id = await durable.client.start_new("run", "drops", "first")
    await durable.history(id, at_least=3)
    await durable.client.raise_event(id, "bell")
    await durable.history(id, at_least=6)
    await durable.client.raise_event(id, "go")

    assert await durable.output(id) == "lost"


async def test_activities_run_again_when_their_result_could_not_be_written(start: Open) -> None:
    """That no crash loses one is in test_crash; here the process itself gives it back, as in a scale-in."""
    slow = SlowActivity()
    first = await start(slow.app)
    id = await first.client.start_new("run", "twice")
    await until(lambda: slow.calls == ["it"])
    await first.service.stop(seconds=0)
    slow.gate.set()
    second = await start_again(start, first)

    assert await second.output(id) == "it"
    assert slow.calls == ["it", "it"]


async def start_again(start: Open, like: Durable) -> Durable:
    """Another process's worth of the same functions: an app can be indexed only once."""

    class Indexed:
        def get_functions(self) -> list[Any]:
            return []

    again = await start(Indexed(), engine=True)  # type: ignore[arg-type]
    await again.service.stop(seconds=1)
    from local.durable.engine import DurableEngine
    from local.durable.functions import DurableFunctions

    engine = DurableEngine(
        storage=again.service._storage,
        functions=DurableFunctions(like.functions, again.invocations),
        concurrent_orchestrators=10,
        concurrent_activities=10,
    )
    again.service._engine = engine
    engine.start()
    return again


async def test_a_compound_of_all_waits_for_all_even_when_one_failed(start: Open) -> None:
    app = df.DFApp()
    gate = asyncio.Event()

    @app.activity_trigger(input_name="what")
    async def work(what: str) -> str:
        if what == "fail":
            raise ValueError(what)
        await gate.wait()
        return what

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        try:
            yield context.task_all([context.call_activity("work", what) for what in ("fail", "last")])
        except Exception:
            return "caught"

    durable = await start(app)
    id = await durable.client.start_new("run", "all")
    history = await durable.history(id, at_least=8)
    assert history[-2]["EventType"] == 6
    assert (await durable.client.get_status(id)).runtime_status is df.OrchestrationRuntimeStatus.Running
    gate.set()

    assert await durable.output(id) == "caught"


async def test_code_that_changed_under_a_running_instance_is_found_out(start: Open) -> None:
    app = df.DFApp()
    changed: list[bool] = []

    @app.activity_trigger(input_name="what")
    async def one(what: Any) -> None: ...

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        yield context.call_activity("other" if changed else "one")
        yield context.wait_for_external_event("go")

    durable = await start(app)
    id = await durable.client.start_new("run", "changes")
    await durable.history(id, at_least=7)
    changed.append(True)
    await durable.client.raise_event(id, "go")

    status = await durable.end(id)
    assert status.runtime_status is FAILED
    assert "Non-Deterministic workflow detected" in status.output


@pytest.mark.parametrize("id", ["a" * 101, "a/b", "a\\b", "@a"])
async def test_ids_that_azure_refuses_are_refused(start: Open, id: str) -> None:
    durable = await start(waiting_app())

    with pytest.raises(Exception, match="nstance ID|instance ids"):
        await durable.client.start_new("run", id, "x")
    assert await durable.output(await durable.client.start_new("run", "a" * 100, "x")) == "x"


async def test_what_is_too_large_is_refused(start: Open) -> None:
    durable = await start(waiting_app())
    id = await waiting(durable, "large")
    large = "x" * MAX_PAYLOAD_BYTES

    with pytest.raises(Exception, match="pass an id instead"):
        await durable.client.start_new("run", None, large)
    with pytest.raises(Exception, match="A payload has at most"):
        await durable.client.start_new("run", None, large * 3)
    with pytest.raises(Exception, match="413"):
        await durable.client.raise_event(id, "go", large)


async def test_what_an_orchestration_says_is_not_too_large_either(start: Open) -> None:
    app = df.DFApp()

    @app.activity_trigger(input_name="size")
    async def big(size: int) -> str:
        return "x" * size

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        match context.get_input():
            case "status":
                context.set_custom_status("x" * 9000)
            case "input":
                yield context.call_activity("big", "x" * MAX_PAYLOAD_BYTES)
            case "result":
                yield context.call_activity("big", MAX_PAYLOAD_BYTES)
            case "output":
                return "x" * MAX_PAYLOAD_BYTES

    durable = await start(app)
    for what, says in (
        ("status", "no more than 16 KB"),
        ("input", "the input of activity big"),
        ("result", "the result of activity big"),
        ("output", "the output of"),
    ):
        status = await durable.end(await durable.client.start_new("run", what, what))
        assert status.runtime_status is FAILED
        assert says in status.output


async def test_an_orchestrator_or_activity_that_does_not_exist_fails_the_instance(start: Open) -> None:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        yield context.call_activity("nothing")

    durable = await start(app)
    for name, missing in (("run", "'nothing' doesn't exist"), ("nobody", "'nobody' doesn't exist")):
        status = await durable.end(await durable.client.start_new(name))
        assert status.runtime_status is FAILED
        assert missing in status.output


async def test_a_running_instance_cannot_be_purged(start: Open) -> None:
    durable = await start(waiting_app())
    id = await waiting(durable, "kept")

    with pytest.raises(Exception, match="412"):
        await durable.client.purge_instance_history(id)
    await durable.client.raise_event(id, "go")
    await durable.output(id)

"""What orchestrations can do here, through the library's own client and decorators."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import azure.durable_functions as df

from local.durable.events import seconds
from tests.unit.local.durable.conftest import Open, until


def app_with_activities(calls: list[Any]) -> df.DFApp:
    app = df.DFApp()

    @app.activity_trigger(input_name="what")
    async def note(what: Any) -> Any:
        calls.append(what)
        return what

    @app.activity_trigger(input_name="text", activity="shout")
    def loud(text: str) -> str:
        return text.upper()

    @app.activity_trigger(input_name="times")
    async def flaky(times: int) -> int:
        calls.append(times)
        if len(calls) < times:
            raise ValueError(f"failed {len(calls)}")
        return len(calls)

    return app


async def test_an_orchestration_starts_calls_activities_and_returns(start: Open) -> None:
    calls: list[Any] = []
    app = app_with_activities(calls)

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        given = context.get_input()
        first = yield context.call_activity("note", given)
        second = yield context.call_activity("shout", "grüß")
        nothing = yield context.call_activity("note")
        return {"first": first, "second": second, "nothing": nothing, "id": context.instance_id}

    durable = await start(app)

    given = await durable.client.start_new("run", "conversation:1", {"a": [1, "ü", None]})
    made = await durable.client.start_new("run")

    assert given == "conversation:1"
    assert await durable.output(given) == {
        "first": {"a": [1, "ü", None]},
        "second": "GRÜSS",
        "nothing": None,
        "id": given,
    }
    assert (await durable.output(made))["id"] == made
    assert len(made) == 32


async def test_activities_are_tried_again_as_their_options_say(start: Open) -> None:
    calls: list[Any] = []
    app = app_with_activities(calls)

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        options = df.RetryOptions(first_retry_interval_in_milliseconds=20, max_number_of_attempts=3)
        try:
            return (yield context.call_activity_with_retry("flaky", options, context.get_input()))
        except Exception as error:
            return str(error)

    durable = await start(app)

    assert await durable.output(await durable.client.start_new("run", None, 3)) == 3
    calls.clear()
    assert "ValueError: failed 3" in await durable.output(await durable.client.start_new("run", None, 9))
    assert calls == [9, 9, 9]


async def test_retries_side_by_side_keep_the_numbers_of_the_history(start: Open) -> None:
    calls: list[Any] = []
    app = app_with_activities(calls)

    @app.activity_trigger(input_name="name")
    async def once(name: str) -> str:
        calls.append(name)
        if calls.count(name) < 3:
            raise ValueError(name)
        return name

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        options = df.RetryOptions(first_retry_interval_in_milliseconds=10, max_number_of_attempts=5)
        both = [context.call_activity_with_retry("once", options, name) for name in ("a", "b")]
        plain = context.call_activity("note", "plain")
        done = yield context.task_all([*both, plain])
        last = yield context.call_activity("shout", "last")
        return [*done, last]

    durable = await start(app)

    assert await durable.output(await durable.client.start_new("run")) == ["a", "b", "plain", "LAST"]


async def test_a_timer_that_is_cancelled_beside_a_retry_takes_nobodys_number(start: Open) -> None:
    calls: list[Any] = []
    app = app_with_activities(calls)

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        options = df.RetryOptions(first_retry_interval_in_milliseconds=10, max_number_of_attempts=5)
        late = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        work = context.call_activity_with_retry("flaky", options, 3)
        winner = yield context.task_any([work, late])
        late.cancel()
        first = yield context.call_activity("shout", "first")
        second = yield context.call_activity("shout", "second")
        return [winner is work, first, second]

    durable = await start(app)

    assert await durable.output(await durable.client.start_new("run")) == [True, "FIRST", "SECOND"]


async def test_an_event_a_timer_and_the_first_of_several(start: Open) -> None:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        bell = context.wait_for_external_event("bell")
        late = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        winner = yield context.task_any([bell, late])
        late.cancel()
        soon = context.create_timer(context.current_utc_datetime + timedelta(milliseconds=50))
        never = context.wait_for_external_event("never")
        second = yield context.task_any([never, soon])
        return [winner is bell, second is soon]

    durable = await start(app)
    id = await durable.client.start_new("run", "any")
    await durable.history(id, at_least=4)

    await durable.client.raise_event(id, "bell")

    assert await durable.output(id) == [True, True]


async def test_several_activities_run_side_by_side(start: Open) -> None:
    calls: list[Any] = []
    app = app_with_activities(calls)

    @app.activity_trigger(input_name="number")
    async def meet(number: int) -> int:
        calls.append(number)
        await until(lambda: len(calls) == 5, "all being there")
        return number

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        return (yield context.task_all([context.call_activity("meet", number) for number in range(5)]))

    durable = await start(app)

    assert await durable.output(await durable.client.start_new("run")) == [0, 1, 2, 3, 4]


async def test_an_activitys_exception_reaches_the_code_and_can_end_it(start: Open) -> None:
    app = app_with_activities([])

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        if context.get_input() == "catch":
            try:
                yield context.call_activity("flaky", 9)
            except Exception:
                return "caught"
        yield context.call_activity("flaky", 9)

    durable = await start(app)

    assert await durable.output(await durable.client.start_new("run", None, "catch")) == "caught"
    failed = await durable.end(await durable.client.start_new("run"))
    assert failed.runtime_status is df.OrchestrationRuntimeStatus.Failed
    assert "Activity function 'flaky' failed" in failed.output
    assert "ValueError" in failed.output


async def test_it_continues_as_new_with_another_input_and_an_empty_history(start: Open) -> None:
    calls: list[Any] = []
    app = app_with_activities(calls)

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        round_ = context.get_input()
        yield context.call_activity("note", round_["n"])
        if round_["n"] < 3:
            context.continue_as_new({"n": round_["n"] + 1})
            return None
        return round_

    durable = await start(app)
    id = await durable.client.start_new("run", "again", {"n": 1})

    assert await durable.output(id) == {"n": 3}
    assert calls == [1, 2, 3]
    assert len([event for event in durable.storage.history(id=id) if event["EventType"] == 0]) == 1


async def test_status_custom_status_and_history_are_shown(start: Open) -> None:
    app = app_with_activities([])

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        context.set_custom_status({"at": "waiting"})
        yield context.call_activity("note", "secret")
        yield context.wait_for_external_event("go")
        context.set_custom_status("gone")
        return "done"

    durable = await start(app)
    client = durable.client
    id = await client.start_new("run", "shown", "in")
    await durable.history(id, at_least=7)

    status = await client.get_status(id, show_input=True)
    assert status.name == "run"
    assert status.instance_id == id
    assert status.runtime_status is df.OrchestrationRuntimeStatus.Running
    assert status.custom_status == {"at": "waiting"}
    assert status.input_ == '"in"', "as in Azure, the client encodes it twice"
    assert status.created_time <= status.last_updated_time
    assert status.historyEvents is None

    await client.raise_event(id, "go")
    await durable.end(id)
    status = await client.get_status(id, show_history=True)
    assert (status.output, status.custom_status) == ("done", "gone")
    assert [event["EventType"] for event in status.historyEvents] == [
        "ExecutionStarted",
        "TaskScheduled",
        "TaskCompleted",
        "EventRaised",
        "ExecutionCompleted",
    ]
    assert "secret" not in str(status.historyEvents)
    assert "secret" in str((await client.get_status(id, True, True)).historyEvents)


async def test_a_custom_status_outlives_its_instance(start: Open) -> None:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        context.set_custom_status("set")
        yield context.wait_for_external_event("go")
        raise ValueError("as it should")

    durable = await start(app)
    for id in ("fails", "ends"):
        await durable.client.start_new("run", id)
        await durable.history(id, at_least=3)
    await durable.client.raise_event("fails", "go")
    await durable.client.terminate("ends", "")

    assert (await durable.end("fails")).output == "Orchestrator function 'run' failed: as it should"
    assert (await durable.end("fails")).custom_status == "set"
    assert (await durable.end("ends")).custom_status == "set"


async def test_an_unknown_instance_has_no_status(start: Open) -> None:
    durable = await start(df.DFApp())

    assert not await durable.client.get_status("nobody")


async def test_terminate_ends_an_instance_with_its_next_episode(start: Open) -> None:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        yield context.wait_for_external_event("never")

    durable = await start(app)
    id = await durable.client.start_new("run", "to-end")
    await durable.history(id, at_least=3)

    await durable.client.terminate(id, "enough of it")

    status = await durable.end(id)
    assert status.runtime_status is df.OrchestrationRuntimeStatus.Terminated
    assert status.output == "enough of it"
    await durable.client.terminate(id, "again: nothing happens")


async def test_a_finished_instance_can_be_purged(start: Open) -> None:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        if context.get_input() == "wait":
            yield context.wait_for_external_event("never")
        return 1

    durable = await start(app)
    id = await durable.client.start_new("run", "short")
    await durable.end(id)

    assert (await durable.client.purge_instance_history(id)).instances_deleted == 1
    assert (await durable.client.purge_instance_history(id)).instances_deleted == 0
    assert not await durable.client.get_status(id)
    assert durable.storage.history(id=id) == []


async def test_time_and_ids_are_the_same_in_every_replay(start: Open) -> None:
    seen: list[tuple[str, str]] = []
    app = app_with_activities([])

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        seen.append((str(context.current_utc_datetime), str(context.new_guid())))
        for number in range(3):
            yield context.call_activity("note", number)
        return str(context.current_utc_datetime)

    durable = await start(app)
    last = await durable.output(await durable.client.start_new("run"))

    assert len(seen) == 4, "the code ran again from its first line in each episode"
    assert len(set(seen)) == 1
    assert last > seen[0][0]


async def test_a_timer_longer_than_azure_storage_takes_is_made_of_pieces(start: Open) -> None:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def run(context: df.DurableOrchestrationContext):
        late = context.create_timer(context.current_utc_datetime + timedelta(days=20))
        bell = context.wait_for_external_event("bell")
        winner = yield context.task_any([late, bell])
        return winner is bell

    durable = await start(app)
    id = await durable.client.start_new("run", "long")
    history = await durable.history(id, at_least=4)
    (timer,) = [event for event in history if event["EventType"] == 10]
    assert seconds(timer["FireAt"]) - seconds(history[0]["Timestamp"]) == timedelta(days=3).total_seconds()

    await durable.client.raise_event(id, "bell")

    assert await durable.output(id) is True

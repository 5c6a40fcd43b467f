"""A segment as a whole: steering, draining, budgets, what stays on the disk."""

import asyncio

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from shared.agent import flushes, gate
from shared.agent.model_call import NOTHING_SAID
from shared.agent.turn import Permission, Stopped
from shared.messages import BudgetSpent, ModelUnavailable, StoreUnavailable, TooLarge
from shared.ports import Effect, ToolResult
from tests.fakes.chat_models import calls, scripted
from tests.unit.agent.kit import FakeControl, FakeTool, MemoryFiles, question
from tests.unit.agent.runs import FakeRun, words


def kinds(messages):
    return [type(message).__name__.removesuffix("Message") for message in messages]


def said(model, call):
    """What a model call was given after the system prompt."""
    return model.seen[call][1:]


# --- steering ---


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE])
async def test_what_the_person_says_meanwhile_is_taken_in_right_before_the_next_model_call(effect):
    control = FakeControl()

    async def does(arguments, context):
        control.arrived.append(question("and bring milk", event="event-2"))
        return ToolResult("ok")

    model = scripted(calls(("say", {"text": "x"})), calls(("say", {"text": "y"})), AIMessage("done"))
    tool = FakeTool(does=does, effect=effect)
    run = FakeRun([model], [tool])

    async def once(arguments, context):
        return ToolResult("again")

    async def first(arguments, context):
        tool.does = once
        return await does(arguments, context)

    tool.does = first
    outcome = await run.work(control)

    assert outcome.answer.text == "done"
    assert kinds(said(model, 1)) == ["Human", "AI", "Tool", "Human"]
    assert said(model, 1)[-1].text.endswith("and bring milk")
    assert kinds(said(model, 2)) == ["Human", "AI", "Tool", "Human", "AI", "Tool"]
    assert said(model, 2)[3].id == "event-2"


async def test_what_is_in_the_state_already_is_not_taken_in_twice():
    model = scripted(calls(("say", {"text": "x"})), AIMessage("done"))
    run = FakeRun([model], [FakeTool()])

    await run.work(FakeControl(arrived=[question("hello"), question("more", event="e2"), question("more", event="e2")]))

    assert [message.text.splitlines()[-1] for message in said(model, 1) if isinstance(message, HumanMessage)] == [
        "more"
    ]
    (first,) = said(model, 0)
    assert (first.text.count("more"), first.text.count("hello")) == (1, 1)


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE])
async def test_calls_that_have_not_started_are_skipped_for_something_new(effect):
    control = FakeControl()

    async def answer(messages):
        control.arrived.append(question("stop that, do something else", event="e2"))
        return calls(("say", {"text": "x"}), ("say", {"text": "y"}))

    model, tool = scripted(answer, AIMessage("else")), FakeTool(effect=effect)
    run = FakeRun([model], [tool])

    outcome = await run.work(control)

    assert (outcome.answer.text, tool.called, run.ledger.told) == ("else", [], [])
    assert words(model.seen[1]) == [gate.SKIPPED] * 2
    assert kinds(said(model, 1)) == ["Human", "AI", "Tool", "Tool", "Human"]


async def test_a_call_that_began_before_a_crash_is_told_of_and_not_called_skipped():
    tool = FakeTool(effect=Effect.WRITE)
    model = scripted(calls(("say", {"text": "x"})), AIMessage("done"))
    run = FakeRun([model], [tool])
    with pytest.raises(ModelUnavailable):
        await run.work(FakeControl(refuse={3: ModelUnavailable("away")}))

    await run.work(FakeControl(arrived=[question("new", event="e2")]))

    assert words(model.seen[-1]) == ["said x"]
    assert len(tool.called) == 1


async def test_a_question_that_is_open_stays_open_when_something_new_waits():
    run = FakeRun([scripted(calls(("say", {"text": "x"})), AIMessage("done"))], [FakeTool(effect=Effect.WRITE)])
    permit = lambda tool, arguments: Permission.ASK  # noqa: E731
    await run.work(FakeControl(permit=permit))

    outcome = await run.work(FakeControl(permit=permit, arrived=[question("new", event="e2")]))

    assert len(outcome.asked) == 1


async def test_neighbours_of_the_persons_are_one_message_for_the_model_and_keep_their_files():
    files = MemoryFiles(p=("cat.png", "image/png", b"png"), t=("a.txt", "text/plain", b"inside"))
    picture, text = files.attachments()
    model = scripted(AIMessage("ok"))
    run = FakeRun([model], asked=question("look", files=files, attachments=[picture]))

    await run.work(FakeControl(arrived=[question("and this", event="e2", files=files, attachments=[text])]))

    (only,) = said(model, 0)
    blocks = only.content
    assert [block["type"] for block in blocks] == ["text", "text", "image", "text", "text"]
    assert "inside" in blocks[-1]["text"]


async def test_a_picture_is_a_reference_in_the_state_and_read_once_a_segment():
    files = MemoryFiles(p=("cat.png", "image/png", b"png" * 100_000))
    reads = []
    get = files.get

    async def counted(*, id):
        reads.append(id)
        return await get(id=id)

    files.get = counted
    model = scripted(calls(("say", {"text": "x"})), AIMessage("ok"))
    run = FakeRun(
        [model], [FakeTool(effect=Effect.WRITE)], asked=question("look", files=files, attachments=files.attachments())
    )

    await run.work()

    assert reads == ["p"]
    assert all(any(block["type"] == "image" for block in said(model, call)[0].content) for call in (0, 1))
    found = await run.checkpoints.saver.aget_tuple(
        {"configurable": {"thread_id": run.ledger.pointer.thread, "checkpoint_ns": ""}}
    )
    assert len(run.checkpoints.saver.serde.dumps_typed(found.checkpoint)[1]) < 10_000


async def test_tools_can_read_the_files_of_later_messages_too():
    files = MemoryFiles(t=("b.txt", "text/plain", b"x"))
    tool = FakeTool()
    run = FakeRun([scripted(calls(("say", {"text": "x"})), AIMessage("ok"))], [tool])

    await run.work(FakeControl(arrived=[question("see", event="e2", attachments=files.attachments())]))

    ((_, context),) = tool.called
    assert list(context.attachments) == files.attachments()


# --- pauses and ends ---


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE])
@pytest.mark.parametrize("drain_at", range(5))
async def test_draining_stops_between_two_steps_and_nothing_is_done_twice(drain_at, effect):
    tool = FakeTool(effect=effect)
    model = scripted(calls(("say", {"text": "x"})), calls(("say", {"text": "y"})), AIMessage("done"))
    run = FakeRun([model], [tool])

    paused = await run.work(FakeControl(drain_at=drain_at))
    assert (paused.answer, list(paused.asked)) == (None, [])
    assert paused.pointer
    assert len(tool.called) == [0, 0, 1, 1, 2][drain_at]
    assert paused.cost.model_calls == [0, 1, 1, 2, 2][drain_at]
    again = await run.work(FakeControl(drain_at=0))
    assert (again.pointer is not None, again.cost.model_calls, again.cost.tool_calls) == (True, 0, 0)
    outcome = await run.work()

    assert outcome.answer.text == "done"
    assert [arguments.text for arguments, _ in tool.called] == ["x", "y"]
    assert len(model.seen) == 3
    assert paused.cost.model_calls + outcome.cost.model_calls == 3
    assert paused.cost.tool_calls + outcome.cost.tool_calls == 2


async def test_a_segment_without_a_store_pauses_with_an_error_and_not_with_a_pointer_to_nothing(monkeypatch):
    run = FakeRun([scripted(calls(("say", {"text": "x"})), AIMessage("done"))], [FakeTool()])

    async def away(*_, **__):
        raise StoreUnavailable("away")

    monkeypatch.setattr(run.checkpoints.saver, "aput", away)
    with pytest.raises(StoreUnavailable):
        await run.work(FakeControl(drain_at=1))


async def test_the_last_answer_is_given_even_when_the_segment_should_end():
    outcome = await FakeRun([scripted(AIMessage("done"))]).work(FakeControl(drain_at=1))

    assert outcome.answer.text == "done"


async def test_the_budget_of_model_calls_and_of_tokens_is_an_end():
    usage = {"input_tokens": 60, "output_tokens": 40, "total_tokens": 100}
    for fields, made in (({"model_calls": 3}, 3), ({"tokens": 250}, 3)):
        model = scripted(calls(("say", {"text": "x"})).model_copy(update={"usage_metadata": usage}))
        with pytest.raises(BudgetSpent):
            await FakeRun([model], [FakeTool()]).work(**fields)
        assert len(model.seen) == made


async def test_as_many_steps_as_it_takes_within_the_budget():
    model = scripted(*[calls(("say", {"text": "x"}))] * 25, AIMessage("done"))

    outcome = await FakeRun([model], [FakeTool()]).work()

    assert (outcome.answer.text, outcome.cost.tool_calls, outcome.cost.model_calls) == ("done", 25, 26)


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE])
async def test_stop_goes_through_everything(step, effect):
    run = FakeRun([scripted(calls(("say", {"text": "x"})), AIMessage("never"))], [FakeTool(effect=effect)])

    with pytest.raises(Stopped):
        await run.work(FakeControl(refuse={step: Stopped("the person said stop")}))


async def test_cancelling_a_segment_in_a_model_call_ends_it_at_once():
    begun = asyncio.Event()

    async def thinks(messages):
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(FakeRun([scripted(thinks)]).work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, timeout=5)


async def test_malformed_calls_before_the_first_good_one_are_in_the_state_that_is_held():
    broken = {"name": "say", "args": "{", "id": "", "error": None, "type": "invalid_tool_call"}
    model = scripted(AIMessage("", invalid_tool_calls=[broken]), calls(("say", {"text": "x"})), AIMessage("done"))
    run = FakeRun([model], [FakeTool(effect=Effect.WRITE)])

    assert (await run.work()).answer.text == "done"
    assert kinds(said(model, 2)) == ["Human", "AI", "Tool", "AI", "Tool"]


async def test_ids_that_a_provider_uses_again_and_again_are_different_calls():
    same = calls(("say", {"text": "x"}), ids=["call_0"]).model_copy(update={"id": "chatcmpl-1"})
    tool = FakeTool(effect=Effect.WRITE)
    run = FakeRun([scripted(same, same, same, AIMessage("done", id="chatcmpl-1"))], [tool])

    assert (await run.work()).answer.text == "done"
    assert (len(tool.called), len(run.ledger.rows)) == (3, 3)


async def test_an_empty_answer_is_replaced():
    assert (await FakeRun([scripted(AIMessage(""))]).work()).answer.text == NOTHING_SAID


# --- on the disk ---


async def test_what_is_superseded_is_discarded_and_also_what_a_crash_left():
    tool = FakeTool(effect=Effect.WRITE)
    model = scripted(*[calls(("say", {"text": "x"}))] * 5, AIMessage("done"))
    run = FakeRun([model], [tool])
    with pytest.raises(ModelUnavailable):
        await run.work(FakeControl(refuse={7: ModelUnavailable("away")}))
    assert set(run.checkpoints.threads) <= {"main:run~1.0.1", "main:run~1.0.2"}
    assert run.ledger.pointer.thread == "main:run~1.0.2"

    # As if that segment had flushed once more, and died before it was accepted.
    run.checkpoints.saver.storage["main:run~1.0.3"] = run.checkpoints.saver.storage["main:run~1.0.2"]
    assert (await run.work()).answer.text == "done"

    assert run.checkpoints.threads == [run.ledger.pointer.thread]


async def test_threads_are_never_used_twice_by_segments_of_one_name():
    tool = FakeTool(effect=Effect.WRITE)
    run = FakeRun([scripted(*[calls(("say", {"text": "x"}))] * 4, AIMessage("done"))], [tool])
    await run.work(FakeControl(drain_at=4))
    run.segments = 0

    assert (await run.work()).answer.text == "done"
    threads = [pointer.thread for pointer in run.ledger.pointers]
    assert len(set(threads)) == len(threads) == 4


async def test_two_writes_at_once_are_accepted_one_after_the_other():
    tool = FakeTool(effect=Effect.WRITE)
    run = FakeRun([scripted(calls(*[("say", {"text": "x"})] * 6), AIMessage("done"))], [tool])

    async def give_way(point):
        await asyncio.sleep(0)

    run.ledger.before = give_way
    await run.work()

    assert [pointer.thread[-1] for pointer in run.ledger.pointers] == list("012345")
    assert run.checkpoints.threads == [run.ledger.pointer.thread]


async def test_a_state_that_is_too_large_ends_the_run_in_plain_words(monkeypatch):
    monkeypatch.setattr(flushes, "LARGEST", 2_000)
    tool = FakeTool(effect=Effect.WRITE)
    run = FakeRun([scripted(calls(("say", {"text": "x" * 3_000})))], [tool])

    with pytest.raises(TooLarge, match="larger than one run may be"):
        await run.work()
    assert (tool.called, run.ledger.told) == ([], [])


async def test_a_segment_leaves_nothing_in_memory():
    run = FakeRun([scripted(calls(("say", {"text": "x"})), AIMessage("done"))], [FakeTool(effect=Effect.WRITE)])
    agent = run.assistant()
    run.assistant = lambda: agent
    await run.work()

    assert (await agent._working()).saver.threads == {}


async def test_the_order_of_the_state_is_right_for_a_provider():
    control = FakeControl(arrived=[question("and?", event="e2")])
    model = scripted(calls(("say", {"text": "x"}), ("say", {"text": "y"})), AIMessage("done"))
    await FakeRun([model], [FakeTool(effect=Effect.WRITE)]).work(control)

    last = said(model, 1)
    calls_, told = last[-3], [message for message in last[-2:] if isinstance(message, ToolMessage)]
    assert [call["id"] for call in calls_.tool_calls] == [one.tool_call_id for one in told]

"""The effects ledger: a call that changes something happens at most once, and where nobody knows, the person is asked."""

import asyncio

import pytest
from langchain_core.messages import AIMessage

from shared.agent import doubt, effects
from shared.agent.turn import AskKind, Effected, Permission, Stopped
from shared.conversation.states import EffectState
from shared.messages import LeaseLost, OutcomeUnknown, StoreUnavailable
from shared.ports import Effect, ToolError, ToolResult
from tests.fakes.chat_models import calls, scripted
from tests.unit.agent.kit import CheckableTool, FakeControl, FakeTool, MemoryFiles, RepeatableTool, question, unknown
from tests.unit.agent.runs import FakeRun, results, words


def once(tool="say", **arguments):
    return scripted(calls((tool, {"text": "x", **arguments})), AIMessage("done"))


def writing(kind=FakeTool, **fields):
    return kind(effect=Effect.WRITE, **fields)


async def test_the_row_and_the_checkpoint_with_its_message_are_there_before_the_call_leaves():
    seen = []

    async def does(arguments, context):
        thread = await run.checkpoints.saver.aget_tuple(
            {"configurable": {"thread_id": run.ledger.pointer.thread, "checkpoint_ns": ""}}
        )
        (key,) = run.ledger.rows
        message = thread.checkpoint["channel_values"]["messages"][-1]
        seen.append((run.ledger.only().state, key == f"{message.id}:0", context.key == f"event#{message.id}.0"))
        return ToolResult("ok")

    run = FakeRun([once()], [writing(does=does)])

    outcome = await run.work()

    assert seen == [(EffectState.STARTED, True, True)]
    assert run.ledger.told == ["started say 1", "done"]
    assert (outcome.answer.text, outcome.pointer) == ("done", None)


async def test_what_only_reads_is_neither_recorded_nor_flushed():
    run = FakeRun([once()], [FakeTool()])

    await run.work()

    assert (run.ledger.told, run.checkpoints.opened) == ([], 0)


async def test_a_tool_that_says_it_did_nothing_is_told_to_the_model_and_not_asked_about():
    async def does(arguments, context):
        raise ToolError("There is no such room.")

    model = once()
    run = FakeRun([model], [writing(does=does)])

    await run.work()

    assert run.ledger.told == ["started say 1", "not_done"]
    assert words(model.seen[1]) == ["There is no such room."]


async def hangs(arguments, context):
    await asyncio.Event().wait()


async def breaks(arguments, context):
    raise KeyError("secret")


async def away(arguments, context):
    raise StoreUnavailable("away")


@pytest.mark.parametrize("does", [unknown, hangs, breaks, away])
async def test_an_outcome_that_nobody_knows_is_asked_about_and_never_told_to_the_model(does, monkeypatch):
    monkeypatch.setattr(effects, "SECONDS", 0.02)
    model, tool = once(), writing(does=does)
    run = FakeRun([model], [tool])

    outcome = await run.work()

    (asked,) = outcome.asked
    assert (asked.kind, asked.index, asked.tool, asked.arguments) == (AskKind.UNCERTAIN, 0, "say", {"text": "x"})
    assert tuple(asked.options) == ("check", "repeat", "drop")
    assert "secret" not in asked.text
    assert run.ledger.told == ["started say 1", "uncertain"]
    assert (outcome.answer, len(model.seen), len(tool.called)) == (None, 1, 1)


async def test_dropped_is_left_alone_and_the_model_is_told_that_nobody_knows():
    model, tool = once(), writing(does=unknown)
    run = FakeRun([model], [tool])
    run.answer((await run.work()).asked[0], "drop")

    outcome = await run.work()

    assert outcome.answer.text == "done"
    assert words(model.seen[1]) == [doubt.DROPPED]
    assert (run.ledger.only().state, len(tool.called)) == (EffectState.DROPPED, 1)


async def test_repeated_with_the_same_key_when_the_person_says_so_and_asked_again_when_that_is_unknown_too():
    tool = writing(does=unknown)
    run = FakeRun([once()], [tool])
    first = (await run.work()).asked[0]
    run.answer(first, "repeat")
    second = (await run.work()).asked[0]
    assert (second.index, run.ledger.only().attempt, len(tool.called)) == (1, 2, 2)

    unanswered = await run.work()
    assert [one.index for one in unanswered.asked] == [1]
    assert len(tool.called) == 2, "the old `repeat` is not an answer to the new question"

    tool.does = None
    run.answer(second, "repeat")
    outcome = await run.work()

    assert (outcome.answer.text, run.ledger.only().attempt, len(tool.called)) == ("done", 3, 3)
    assert len({context.key for _, context in tool.called}) == 1


@pytest.mark.parametrize(
    ("found", "state", "told"),
    [(ToolResult("sent as 7"), EffectState.DONE, "sent as 7"), (None, EffectState.NOT_DONE, doubt.CHECKED)],
)
async def test_a_tool_that_can_look_says_what_became_of_the_call(found, state, told):
    model, tool = once(), writing(CheckableTool, does=unknown, found=found)
    run = FakeRun([model], [tool])
    run.answer((await run.work()).asked[0], "check")

    outcome = await run.work()

    assert outcome.answer.text == "done"
    assert (words(model.seen[1]), run.ledger.only().state) == ([told], state)
    assert (tool.checked, len(tool.called)) == (1, 1)


@pytest.mark.parametrize("kind", [FakeTool, CheckableTool])
async def test_where_looking_does_not_help_the_person_is_asked_what_to_do(kind):
    tool = writing(kind, does=unknown)
    if kind is CheckableTool:
        tool.found = OutcomeUnknown("still")
    run = FakeRun([once()], [tool])
    run.answer((await run.work()).asked[0], "check")
    (again,) = (await run.work()).asked
    assert (again.kind, again.index, tuple(again.options)) == (AskKind.UNCERTAIN, 1, ("repeat", "drop"))
    assert ("cannot look" in again.text) is (kind is FakeTool)

    tool.does = None
    run.answer(again, "repeat")
    outcome = await run.work()

    assert (outcome.answer.text, len(tool.called)) == ("done", 2)
    if kind is CheckableTool:
        assert tool.checked == 1, "the answered question is not looked into again"


async def test_a_tool_that_may_be_repeated_is_called_again_quietly_and_then_asked_about():
    told = iter([OutcomeUnknown("lost"), None])

    async def does(arguments, context):
        if error := next(told, OutcomeUnknown("lost")):
            raise error
        return ToolResult("kept")

    model, tool = once(), writing(RepeatableTool, does=does)
    run = FakeRun([model], [tool])
    assert (await run.work()).answer.text == "done"
    assert (words(model.seen[1]), len(tool.called)) == (["kept"], 2)
    assert len({context.key for _, context in tool.called}) == 1

    tool = writing(RepeatableTool, does=unknown)
    run = FakeRun([once()], [tool])
    (asked,) = (await run.work()).asked
    assert (asked.kind, len(tool.called)) == (AskKind.UNCERTAIN, 2)
    await run.work()
    assert len(tool.called) == 2, "once asked, it waits for the answer"


async def test_a_store_that_is_away_ends_the_segment_of_a_repeatable_tool_which_is_called_again_later():
    model, tool = once(), writing(RepeatableTool, does=away)
    run = FakeRun([model], [tool])
    with pytest.raises(StoreUnavailable):
        await run.work()
    assert run.ledger.only().state is EffectState.STARTED

    tool.does = None
    outcome = await run.work()

    assert (outcome.answer.text, len(tool.called), run.ledger.only().attempt) == ("done", 2, 1)


async def test_other_arguments_than_were_recorded_are_an_uncertain_effect():
    tool = writing(RepeatableTool, does=away)
    run = FakeRun([once()], [tool])
    with pytest.raises(StoreUnavailable):
        await run.work()
    (key,) = run.ledger.rows
    run.ledger.rows[key] = Effected(state=EffectState.DONE, attempt=1, arguments="other", result={"text": "no"})

    (asked,) = (await run.work()).asked

    assert (asked.kind, len(tool.called)) == (AskKind.UNCERTAIN, 1)


async def test_a_read_is_tried_once_more_where_it_was_slow_or_the_store_away(monkeypatch):
    monkeypatch.setattr(effects, "SECONDS", 0.02)
    for does, ends in ((hangs, None), (away, StoreUnavailable)):
        model, tool = once(), FakeTool(does=does)
        run = FakeRun([model], [tool])
        if ends:
            with pytest.raises(ends):
                await run.work()
        else:
            assert (await run.work()).answer.text == "done"
            assert words(model.seen[1]) == ["It took too long and was stopped."]
        assert len(tool.called) == 2


# --- what is in flight when the run ends ---


async def test_a_cut_call_is_recorded_as_uncertain_before_the_cancellation_goes_on():
    begun = asyncio.Event()

    async def does(arguments, context):
        begun.set()
        await asyncio.Event().wait()

    tool = writing(does=does)
    run = FakeRun([once()], [tool])
    task = asyncio.create_task(run.work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert run.ledger.only().state is EffectState.UNCERTAIN

    (asked,) = (await run.work()).asked
    assert (asked.kind, len(tool.called)) == (AskKind.UNCERTAIN, 1)


async def test_a_cut_call_ends_at_once_and_not_when_its_time_is_up(monkeypatch):
    monkeypatch.setattr(effects, "RECORDING", 60.0)
    begun = asyncio.Event()

    async def does(arguments, context):
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(FakeRun([once()], [writing(does=does)]).work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, timeout=5)


async def test_a_call_that_is_back_is_recorded_as_done_when_the_run_is_cut_right_then():
    back, go_on = asyncio.Event(), asyncio.Event()

    async def slow(point):
        if point == "finish":
            back.set()
            await go_on.wait()

    run = FakeRun([once()], [writing()])
    run.ledger.before = slow
    task = asyncio.create_task(run.work())
    await back.wait()
    task.cancel()
    asyncio.get_running_loop().call_later(0.02, go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert run.ledger.only().state is EffectState.DONE


async def test_a_ledger_that_hangs_holds_up_a_cancellation_for_no_longer_than_it_may(monkeypatch):
    monkeypatch.setattr(effects, "RECORDING", 0.02)
    begun = asyncio.Event()

    async def does(arguments, context):
        begun.set()
        await asyncio.Event().wait()

    async def never(point):
        if point == "finish":
            await asyncio.Event().wait()

    run = FakeRun([once()], [writing(does=does)])
    run.ledger.before = never
    task = asyncio.create_task(run.work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, timeout=5)
    assert run.ledger.only().state is EffectState.STARTED


async def test_a_call_that_has_left_is_let_end_when_another_one_beside_it_fails():
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def sends(arguments, context):
        begun.set()
        await go_on.wait()
        return ToolResult("sent")

    async def fails(arguments, context):
        await begun.wait()
        asyncio.get_running_loop().call_later(0.02, go_on.set)
        raise LeaseLost("gone")

    model = scripted(calls(("say", {"text": "x"}), ("look", {"text": "y"})), AIMessage("done"))
    run = FakeRun([model], [writing(does=sends), FakeTool(name="look", does=fails)])

    with pytest.raises(LeaseLost):
        await run.work()

    assert (run.ledger.only().state, run.ledger.only().result["text"]) == (EffectState.DONE, "sent")


async def test_stop_before_a_call_cuts_the_one_beside_it_that_has_left():
    begun = asyncio.Event()

    async def does(arguments, context):
        begun.set()
        await asyncio.Event().wait()

    class Control(FakeControl):
        async def before_step(self):
            self.steps += 1
            if self.steps == 3:
                await begun.wait()
                raise Stopped("the person said stop")

    model = scripted(calls(("say", {"text": "x"}), ("say", {"text": "y"})), AIMessage("done"))
    run = FakeRun([model], [writing(does=does)])

    with pytest.raises(Stopped):
        await asyncio.wait_for(run.work(Control()), timeout=5)

    assert run.ledger.only().state is EffectState.UNCERTAIN


async def test_a_lost_lease_leaves_nothing_and_a_refused_row_calls_nothing():
    for point, called in (("start", 0), ("finish", 1)):
        tool = writing()
        run = FakeRun([once()], [tool])

        async def refuse(at, point=point):
            if at == point:
                raise LeaseLost("taken over")

        run.ledger.before = refuse
        with pytest.raises(LeaseLost):
            await run.work()
        assert len(tool.called) == called


async def test_an_outcome_is_recorded_at_the_second_try_where_the_store_was_away_for_one():
    tool = writing()
    run = FakeRun([once()], [tool])
    failures = [StoreUnavailable("away")]

    async def fail(point):
        if point == "finish" and failures:
            raise failures.pop()

    run.ledger.before = fail

    assert (await run.work()).answer.text == "done"
    assert run.ledger.only().state is EffectState.DONE


# --- results ---


async def test_files_that_tools_made_survive_segments_and_come_with_the_answer():
    attachment = MemoryFiles(f=("a.txt", "text/plain", b"x")).attachments()[0]

    async def does(arguments, context):
        return ToolResult("made", attachments=(attachment,))

    model = scripted(calls(("say", {"text": "x"})), calls(("ask", {"text": "y"})), AIMessage("done"))
    tools = [writing(does=does), FakeTool(name="ask")]
    run = FakeRun([model], tools)
    outcome = await run.work(FakeControl(permit=lambda tool, _: Permission.ASK if tool == "ask" else Permission.ALLOW))
    run.answer(outcome.asked[0], "approve")

    outcome = await run.work()

    assert tuple(outcome.answer.attachments) == (attachment,)
    assert len(tools[0].called) == 1


async def test_a_result_from_the_ledger_has_its_files():
    attachment = MemoryFiles(f=("a.txt", "text/plain", b"x")).attachments()[0]

    async def does(arguments, context):
        return ToolResult("made", attachments=(attachment,))

    tool = writing(does=does)
    run = FakeRun([once()], [tool])
    with pytest.raises(LeaseLost):
        await run.work(FakeControl(refuse={3: LeaseLost("gone")}))

    outcome = await run.work()

    assert tuple(outcome.answer.attachments) == (attachment,)
    assert len(tool.called) == 1


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE])
async def test_a_long_result_goes_to_a_file_that_the_model_can_read_on_in(effect):
    async def does(arguments, context):
        return ToolResult("ü" * 10_000)

    seen = []

    async def reads(arguments, context):
        seen.extend(context.attachments)
        return ToolResult("read")

    files = MemoryFiles()
    model = scripted(calls(("say", {"text": "x"})), calls(("read", {"text": "y"})), AIMessage("done"))
    run = FakeRun([model], [FakeTool(does=does, effect=effect), FakeTool(name="read", does=reads)])
    run.asked = question(files=files)

    outcome = await run.work()

    (told,) = words(model.seen[1])
    (stored,) = seen
    assert len(told.encode()) < 8 * 1024
    assert told.startswith("ü" * 3000)
    assert stored.name in told
    assert stored.file in told
    assert (await files.get(id=stored.file)).decode() == "ü" * 10_000
    assert files.owners == ["conversation"]
    assert outcome.answer.attachments == ()


async def test_where_a_long_result_cannot_be_stored_it_is_cut_and_the_effect_is_done():
    class Broken(MemoryFiles):
        async def put(self, **_):
            raise OSError("full")

    async def does(arguments, context):
        return ToolResult("x" * 10_000)

    model = once()
    run = FakeRun([model], [writing(does=does)], asked=question(files=Broken()))

    await run.work()

    assert words(model.seen[1])[0].endswith("(Cut here: 3856 of 10000 bytes are not shown.)")
    assert run.ledger.only().state is EffectState.DONE
    assert results(model.seen[1])[0].status == "success"

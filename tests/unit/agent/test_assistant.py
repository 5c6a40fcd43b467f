"""The agent's loop: what models and tools do wrong, and the limits of a turn."""

import asyncio
import logging
import time
from functools import partial

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langsmith._runtime_overrides import get_runtime_overrides

from shared.agent import graph
from shared.agent.assistant import Assistant
from shared.agent.graph import NOTHING_SAID
from shared.agent.turn import Role, Said
from shared.messages import BudgetSpent, LeaseLost, ModelUnavailable, StoreUnavailable
from shared.ports import Effect, ToolError, ToolResult
from shared.settings import Settings
from tests.fakes.chat_models import calls, chain, scripted
from tests.fakes.checkpoints import MemoryCheckpoints
from tests.fakes.clock import ManualClock
from tests.unit.agent.kit import FakeControl, FakeTool, MemoryFiles, question, segment


class Working(Assistant):
    """Answers by working on a run of one segment."""

    async def answer(self, *, question, control):
        outcome = await self.work(segment=segment(question), control=control)
        assert outcome.answer
        assert outcome.pointer is None
        return outcome.answer


@pytest.fixture(params=[Assistant, Working])
def assistant(request):
    return partial(built, request.param)


@pytest.fixture
def answering():
    """For what `answer` does in its own way."""
    return partial(built, Assistant)


def place(context):
    """Where in the run a call stands: the part of its key after the id of the model's message."""
    event, _, position = context.key.partition("#")
    return f"{event}#{position.rpartition('.')[2]}"


def built(kind, *models, tools=(), clock=None, **environ):
    clock = clock or ManualClock()
    settings = Settings.from_environ(environ)
    return kind(
        settings=settings, models=chain(*models, clock=clock), tools=tools, clock=clock, checkpoints=MemoryCheckpoints()
    )


def results(messages):
    return [message for message in messages if isinstance(message, ToolMessage)]


async def test_answers_with_what_the_model_says(assistant):
    model = scripted(AIMessage("Hi Ada", usage_metadata={"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}))

    answer = await assistant(model).answer(question=question("hello"), control=FakeControl())

    assert (answer.text, answer.model, answer.model_calls, answer.tool_calls) == ("Hi Ada", "fake0:x", 1, 0)
    assert (answer.input_tokens, answer.output_tokens) == (7, 3)


async def test_a_model_sees_the_prompt_the_history_in_order_and_the_message_last(assistant):
    model = scripted(AIMessage("ok"))
    history = [
        Said(Role.PERSON, "one"),
        Said(Role.ASSISTANT, "two"),
        Said(Role.PERSON, "three"),
        Said(Role.ASSISTANT, "four"),
    ]

    await assistant(model).answer(
        question=question("five", history=history, summary="They have a cat."), control=FakeControl()
    )

    system, *middle, last = model.seen[0]
    assert isinstance(system, SystemMessage)
    assert system.text.endswith("in short:\nThey have a cat.")
    assert [(type(message), message.text) for message in middle] == [
        (HumanMessage, "one"), (AIMessage, "two"), (HumanMessage, "three"), (AIMessage, "four"),
    ]  # fmt: skip
    assert last.id == "event"
    assert last.text.endswith(">\nfive")


async def test_calls_a_tool_with_its_own_context_and_hands_back_its_files(assistant):
    attachment = MemoryFiles(f=("a.txt", "text/plain", b"x")).attachments()[0]

    async def does(arguments, context):
        return ToolResult(f"{arguments.text} in {context.time_zone}", attachments=(attachment,))

    tool = FakeTool(does=does)
    model = scripted(calls(("say", {"text": "moo", "count": "2"})), AIMessage("done"))
    control = FakeControl()

    answer = await assistant(model, tools=[tool]).answer(question=question(), control=control)

    ((arguments, context),) = tool.called
    assert (arguments.text, arguments.count, place(context)) == ("moo", 2, "event#0")
    assert results(model.seen[1])[0].text == "moo in Europe/Berlin"
    assert (answer.text, answer.attachments, answer.tool_calls, answer.model_calls) == ("done", (attachment,), 1, 2)
    assert control.shown == ["Saying something"]
    assert control.steps == 3, "before each model call and each tool call"


async def test_positions_count_from_the_persons_message_and_not_from_the_providers_ids(answering):
    history = [Said(Role.PERSON, "a"), Said(Role.ASSISTANT, "b")]
    keys = []
    for ids in (["1", "2"], ["x", "y"], ["same", "same"], ["", ""]):
        tool = FakeTool()
        model = scripted(
            calls(("say", {"text": "a"}), ("say", {"text": "b"}), ids=ids),
            calls(("say", {"text": "c"}), ids=ids[:1]),
            AIMessage("done"),
        )
        answer = await answering(model, tools=[tool]).answer(question=question(history=history), control=FakeControl())
        assert answer.text == "done"
        keys.append({arguments.text: context.key for arguments, context in tool.called})

    assert keys == [{"a": "event#0.0", "b": "event#0.1", "c": "event#1.0"}] * 4


async def test_two_messages_of_the_same_id_are_two_messages(assistant):
    tool = FakeTool()
    model = scripted(
        calls(("say", {"text": "a"})).model_copy(update={"id": "chatcmpl-1"}),
        calls(("say", {"text": "b"})).model_copy(update={"id": "chatcmpl-1"}),
        AIMessage("done", id="chatcmpl-1"),
    )

    answer = await assistant(model, tools=[tool]).answer(question=question(), control=FakeControl())

    assert answer.text == "done"
    assert [place(context) for _, context in tool.called] == ["event#0", "event#0"]
    assert len({context.key for _, context in tool.called}) == 2
    assert len(results(model.seen[2])) == 2


# --- what goes wrong with tools ---


async def test_a_tool_error_reaches_the_model_in_its_own_words(assistant):
    async def does(arguments, context):
        raise ToolError("There is no reminder called yoga.")

    model = scripted(calls(("say", {"text": "x"})), AIMessage("I could not find it."))

    answer = await assistant(model, tools=[FakeTool(does=does)]).answer(question=question(), control=FakeControl())

    (result,) = results(model.seen[1])
    assert (result.text, result.status) == ("There is no reminder called yoga.", "error")
    assert answer.text == "I could not find it."


async def test_a_tools_bug_is_logged_without_its_words_and_told_in_plain_ones(assistant, caplog):
    async def does(arguments, context):
        raise KeyError(arguments.text)

    model = scripted(calls(("say", {"text": "secret"})), AIMessage("sorry"))

    with caplog.at_level(logging.ERROR, logger="praxos"):
        await assistant(model, tools=[FakeTool(does=does)]).answer(question=question(), control=FakeControl())

    (result,) = results(model.seen[1])
    assert result.status == "error"
    assert "inside Praxos" in result.text
    (record,) = caplog.records
    assert record.fields["error"] == "KeyError"
    assert "in does" in record.fields["traceback"]
    assert "secret" not in result.text + str(record.__dict__)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({}, "text: Field required"), ({"text": "x", "count": "many"}, "count: Input should be a valid integer")],
)
async def test_wrong_arguments_are_explained_to_the_model(assistant, arguments, words):
    tool = FakeTool()
    model = scripted(calls(("say", arguments)), AIMessage("ok"))

    await assistant(model, tools=[tool]).answer(question=question(), control=FakeControl())

    (result,) = results(model.seen[1])
    assert words in result.text
    assert "many" not in result.text
    assert (result.status, tool.called) == ("error", [])


async def test_an_unknown_tool_is_answered_with_the_known_ones(assistant):
    model = scripted(calls(("fly", {})), AIMessage("ok"))

    answer = await assistant(model, tools=[FakeTool()]).answer(question=question(), control=FakeControl())

    assert results(model.seen[1])[0].text == "There is no tool named 'fly'. There are: say."
    assert answer.text == "ok"


async def test_malformed_arguments_are_answered_and_asked_for_again(assistant):
    broken = AIMessage(
        "",
        invalid_tool_calls=[
            {"name": "say", "args": '{"text": "x', "id": "", "error": None, "type": "invalid_tool_call"}
        ],
    )
    tool = FakeTool()
    model = scripted(broken, calls(("say", {"text": "x"})), AIMessage("done"))

    answer = await assistant(model, tools=[tool]).answer(question=question(), control=FakeControl())

    said, told = model.seen[1][-2:]
    assert told.tool_call_id == said.invalid_tool_calls[0]["id"] != ""
    assert "not valid JSON" in told.text
    assert len(tool.called) == 1
    assert answer.text == "done"


async def test_a_good_call_beside_a_malformed_one_is_done_and_the_other_answered(assistant):
    broken = {"name": "say", "args": "{", "id": "bad", "error": None, "type": "invalid_tool_call"}
    mixed = calls(("say", {"text": "x"})).model_copy(update={"invalid_tool_calls": [broken]})
    tool = FakeTool()
    model = scripted(mixed, AIMessage("done"))

    answer = await assistant(model, tools=[tool]).answer(question=question(), control=FakeControl())

    assert (answer.text, len(tool.called)) == ("done", 1)
    assert {result.tool_call_id for result in results(model.seen[1])} == {"bad", mixed.tool_calls[0]["id"]}


async def test_a_model_that_never_gets_it_right_ends_in_plain_words(assistant):
    broken = AIMessage(
        "", invalid_tool_calls=[{"name": "say", "args": "{", "id": "1", "error": None, "type": "invalid_tool_call"}]
    )

    answer = await assistant(scripted(broken), tools=[FakeTool()]).answer(question=question(), control=FakeControl())

    assert (answer.text, answer.model_calls) == (NOTHING_SAID, 3)


async def test_an_empty_answer_is_asked_for_again_and_then_replaced(assistant):
    once = await assistant(scripted(AIMessage(" "), AIMessage("here"))).answer(
        question=question(), control=FakeControl()
    )
    never = await assistant(scripted(AIMessage(""))).answer(question=question(), control=FakeControl())

    assert (once.text, once.model_calls) == ("here", 2)
    assert (never.text, never.model_calls) == (NOTHING_SAID, 2)


async def test_a_long_result_is_cut_with_a_note(answering):
    async def does(arguments, context):
        return ToolResult("ü" * 10_000)

    model = scripted(calls(("say", {"text": "x"})), AIMessage("ok"))

    await answering(model, tools=[FakeTool(does=does)]).answer(question=question(), control=FakeControl())

    text = results(model.seen[1])[0].text
    assert text.startswith("ü" * 4096)
    assert text.endswith("(Cut here: 11808 of 20000 bytes are not shown.)")


# --- limits ---


async def test_a_read_is_cut_at_the_end_of_the_turn_and_a_write_says_that_nobody_knows(answering):
    async def hangs(arguments, context):
        await asyncio.Event().wait()

    for effect, words in ((Effect.READ, "took too long and was stopped"), (Effect.WRITE, "nobody knows")):
        model = scripted(calls(("say", {"text": "x"})), AIMessage("ok"))
        tool = FakeTool(does=hangs, effect=effect)
        agent = answering(model, tools=[tool])
        await agent.warm()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("shared.agent.tool_calls.SECONDS", 0.05)
            await agent.answer(question=question(), control=FakeControl())
        assert words in results(model.seen[1])[0].text


async def test_too_many_tool_calls_end_the_turn_before_any_of_the_last_message(answering):
    tool = FakeTool()
    model = scripted(calls(*[("say", {"text": "x"})] * 2))

    with pytest.raises(BudgetSpent, match="more than 3 steps"):
        await answering(model, tools=[tool], PRAXOS_TURN_STEPS="3").answer(question=question(), control=FakeControl())

    assert len(tool.called) == 2


async def test_the_librarys_own_limit_lies_beyond_ours(answering):
    tool = FakeTool()
    model = scripted(*[calls(("say", {"text": "x"}))] * 60, AIMessage("done"))

    answer = await answering(model, tools=[tool], PRAXOS_TURN_STEPS="60").answer(
        question=question(), control=FakeControl()
    )

    assert (answer.text, answer.tool_calls) == ("done", 60)


async def test_the_turns_time_ends_it_between_steps(answering):
    clock = ManualClock()

    async def slow(arguments, context):
        clock.pass_(seconds=61)
        return ToolResult("late")

    model = scripted(calls(("say", {"text": "x"})), AIMessage("never said"))

    with pytest.raises(BudgetSpent, match="longer than"):
        await answering(model, tools=[FakeTool(does=slow)], clock=clock).answer(
            question=question(), control=FakeControl()
        )
    assert len(model.seen) == 1


async def test_no_tool_starts_when_the_turns_time_is_over(answering):
    clock = ManualClock()

    async def thinks(messages):
        clock.pass_(seconds=61)
        return calls(("say", {"text": "x"}))

    tool = FakeTool(effect=Effect.WRITE)
    with pytest.raises(BudgetSpent):
        await answering(scripted(thinks), tools=[tool], clock=clock).answer(question=question(), control=FakeControl())
    assert tool.called == []


async def test_the_turns_time_cuts_a_model_that_hangs(answering):
    async def hangs(messages):
        await asyncio.Event().wait()

    agent = answering(scripted(hangs))
    await agent.warm()
    started = time.monotonic()
    with pytest.raises(BudgetSpent):
        await agent.answer(question=question(), control=FakeControl(deadline=1000.1))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("step", [1, 2, 3])
async def test_what_control_raises_ends_the_turn_at_once(assistant, step):
    tool = FakeTool()
    model = scripted(calls(("say", {"text": "x"})), AIMessage("never"))

    with pytest.raises(LeaseLost):
        await assistant(model, tools=[tool]).answer(
            question=question(), control=FakeControl(refuse={step: LeaseLost("taken over")})
        )
    assert (len(model.seen), len(tool.called)) == {1: (0, 0), 2: (1, 0), 3: (1, 1)}[step]


async def test_a_store_that_is_away_ends_the_turn_instead_of_being_told_to_the_model(assistant):
    async def does(arguments, context):
        raise StoreUnavailable("away")

    model = scripted(calls(("say", {"text": "x"})), AIMessage("never"))

    with pytest.raises(StoreUnavailable):
        await assistant(model, tools=[FakeTool(does=does)]).answer(question=question(), control=FakeControl())
    assert len(model.seen) == 1


async def test_no_model_at_all_is_said_so(assistant):
    with pytest.raises(ModelUnavailable):
        await assistant(scripted(ConnectionError("no"))).answer(question=question(), control=FakeControl())


async def test_the_fallback_goes_on_inside_the_turn_and_does_no_tool_twice(assistant):
    tool = FakeTool()
    first = scripted(calls(("say", {"text": "x"})), ConnectionError("gone"))
    second = scripted(AIMessage("finished by the second"))

    answer = await assistant(first, second, tools=[tool]).answer(question=question(), control=FakeControl())

    assert (answer.text, answer.model, len(tool.called)) == ("finished by the second", "fake1:x", 1)
    assert results(second.seen[0])[0].text == "said x"


async def test_tools_are_offered_once_for_all_turns(assistant):
    model = scripted(AIMessage("ok"))
    agent = assistant(model, tools=[FakeTool()])

    for _ in range(3):
        await agent.answer(question=question(), control=FakeControl())

    assert model.offered == [["say"]]


@pytest.mark.parametrize("tracing", [False, True])
async def test_hooks_run_without_a_thread_unless_they_are_traced(assistant, monkeypatch, tracing):
    monkeypatch.setattr(graph, "tracing_is_enabled", lambda: tracing)
    await assistant(scripted(AIMessage("ok"))).warm()

    assert (get_runtime_overrides().aio_to_thread is None) is tracing


async def test_summarises_the_old_summary_with_the_messages_after_it(assistant):
    model = scripted(AIMessage(" They have a cat, Tom. \n"))

    summary = await assistant(model).summarise(
        summary="They have a cat.", said=[Said(Role.PERSON, "It is called Tom."), Said(Role.ASSISTANT, "Nice.")]
    )

    assert summary == "They have a cat, Tom."
    system, given = model.seen[0]
    assert "running summary" in system.text
    assert "They have a cat." in given.text
    assert "Person: It is called Tom.\n\nAssistant: Nice." in given.text
    assert model.offered == []


async def test_an_empty_summary_never_replaces_one(assistant):
    assert await assistant(scripted(AIMessage(""))).summarise(summary="old", said=[Said(Role.PERSON, "x")]) == "old"

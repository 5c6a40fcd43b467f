"""The agent's loop within one segment: what models and tools do wrong, and what ends it."""

import logging

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langsmith._runtime_overrides import get_runtime_overrides

from shared.agent import hooks
from shared.agent.assistant import Assistant
from shared.agent.model_call import NOTHING_SAID
from shared.agent.turn import Role, Said
from shared.messages import LeaseLost, ModelUnavailable, StoreUnavailable
from shared.ports import ToolError, ToolResult
from tests.fakes.chat_models import calls, chain, scripted
from tests.fakes.checkpoints import MemoryCheckpoints
from tests.fakes.clock import ManualClock
from tests.unit.agent.kit import FakeControl, FakeTool, MemoryFiles, answer, place, question


def assistant(*models, tools=()):
    models = chain(*models, clock=ManualClock())
    return Assistant(models=models, tools=tools, checkpoints=MemoryCheckpoints())


def results(messages):
    return [message for message in messages if isinstance(message, ToolMessage)]


async def test_answers_with_what_the_model_says():
    model = scripted(AIMessage("Hi Ada", usage_metadata={"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}))

    said = await answer(assistant(model), question("hello"))

    assert (said.text, said.model, said.model_calls, said.tool_calls) == ("Hi Ada", "fake0:x", 1, 0)
    assert (said.input_tokens, said.output_tokens) == (7, 3)


async def test_a_model_sees_the_prompt_the_history_in_order_and_the_message_last():
    model = scripted(AIMessage("ok"))
    history = [
        Said(Role.PERSON, "one"),
        Said(Role.ASSISTANT, "two"),
        Said(Role.PERSON, "three"),
        Said(Role.ASSISTANT, "four"),
    ]

    await answer(assistant(model), question("five", history=history, summary="They have a cat."))

    system, *middle, last = model.seen[0]
    assert isinstance(system, SystemMessage)
    assert system.text.endswith("in short:\nThey have a cat.")
    assert [(type(message), message.text) for message in middle] == [
        (HumanMessage, "one"), (AIMessage, "two"), (HumanMessage, "three"), (AIMessage, "four"),
    ]  # fmt: skip
    assert last.id == "event"
    assert last.text.endswith(">\nfive")


async def test_calls_a_tool_with_its_own_context_and_hands_back_its_files():
    attachment = MemoryFiles(f=("a.txt", "text/plain", b"x")).attachments()[0]

    async def does(arguments, context):
        return ToolResult(f"{arguments.text} in {context.time_zone}", attachments=(attachment,))

    tool = FakeTool(does=does)
    model = scripted(calls(("say", {"text": "moo", "count": "2"})), AIMessage("done"))
    control = FakeControl()

    said = await answer(assistant(model, tools=[tool]), control=control)

    ((arguments, context),) = tool.called
    assert (arguments.text, arguments.count, place(context)) == ("moo", 2, "event#0")
    assert results(model.seen[1])[0].text == "moo in Europe/Berlin"
    assert (said.text, said.attachments, said.tool_calls, said.model_calls) == ("done", (attachment,), 1, 2)
    assert control.shown == ["Saying something"]
    assert control.steps == 3, "before each model call and each tool call"


@pytest.mark.parametrize("ids", [["1", "2"], ["same", "same"], ["", ""]])
async def test_a_calls_key_is_our_own_whatever_ids_the_provider_gives(ids):
    tool = FakeTool()
    model = scripted(
        calls(("say", {"text": "a"}), ("say", {"text": "b"}), ids=ids),
        calls(("say", {"text": "c"}), ids=ids[:1]),
        AIMessage("done"),
    )

    assert (await answer(assistant(model, tools=[tool]))).text == "done"

    keys = {arguments.text: context for arguments, context in tool.called}
    assert {text: place(context) for text, context in keys.items()} == {"a": "event#0", "b": "event#1", "c": "event#0"}
    assert len({context.key for context in keys.values()}) == 3


async def test_two_messages_of_the_same_id_are_two_messages():
    tool = FakeTool()
    model = scripted(
        calls(("say", {"text": "a"})).model_copy(update={"id": "chatcmpl-1"}),
        calls(("say", {"text": "b"})).model_copy(update={"id": "chatcmpl-1"}),
        AIMessage("done", id="chatcmpl-1"),
    )

    said = await answer(assistant(model, tools=[tool]))

    assert said.text == "done"
    assert [place(context) for _, context in tool.called] == ["event#0", "event#0"]
    assert len({context.key for _, context in tool.called}) == 2
    assert len(results(model.seen[2])) == 2


# --- what goes wrong with tools ---


async def test_a_tool_error_reaches_the_model_in_its_own_words():
    async def does(arguments, context):
        raise ToolError("There is no reminder called yoga.")

    model = scripted(calls(("say", {"text": "x"})), AIMessage("I could not find it."))

    said = await answer(assistant(model, tools=[FakeTool(does=does)]))

    (result,) = results(model.seen[1])
    assert (result.text, result.status) == ("There is no reminder called yoga.", "error")
    assert said.text == "I could not find it."


async def test_a_tools_bug_is_logged_without_its_words_and_told_in_plain_ones(caplog):
    async def does(arguments, context):
        raise KeyError(arguments.text)

    model = scripted(calls(("say", {"text": "secret"})), AIMessage("sorry"))

    with caplog.at_level(logging.ERROR, logger="praxos"):
        await answer(assistant(model, tools=[FakeTool(does=does)]))

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
async def test_wrong_arguments_are_explained_to_the_model(arguments, words):
    tool = FakeTool()
    model = scripted(calls(("say", arguments)), AIMessage("ok"))

    await answer(assistant(model, tools=[tool]))

    (result,) = results(model.seen[1])
    assert words in result.text
    assert "many" not in result.text
    assert (result.status, tool.called) == ("error", [])


async def test_an_unknown_tool_is_answered_with_the_known_ones():
    model = scripted(calls(("fly", {})), AIMessage("ok"))

    said = await answer(assistant(model, tools=[FakeTool()]))

    assert results(model.seen[1])[0].text == "There is no tool named 'fly'. There are: say."
    assert said.text == "ok"


async def test_malformed_arguments_are_answered_and_asked_for_again():
    broken = AIMessage(
        "",
        invalid_tool_calls=[
            {"name": "say", "args": '{"text": "x', "id": "", "error": None, "type": "invalid_tool_call"}
        ],
    )
    tool = FakeTool()
    model = scripted(broken, calls(("say", {"text": "x"})), AIMessage("done"))

    ended = await answer(assistant(model, tools=[tool]))

    asked, told = model.seen[1][-2:]
    assert told.tool_call_id == asked.invalid_tool_calls[0]["id"] != ""
    assert "not valid JSON" in told.text
    assert len(tool.called) == 1
    assert ended.text == "done"


async def test_a_good_call_beside_a_malformed_one_is_done_and_the_other_answered():
    broken = {"name": "say", "args": "{", "id": "bad", "error": None, "type": "invalid_tool_call"}
    mixed = calls(("say", {"text": "x"})).model_copy(update={"invalid_tool_calls": [broken]})
    tool = FakeTool()
    model = scripted(mixed, AIMessage("done"))

    said = await answer(assistant(model, tools=[tool]))

    assert (said.text, len(tool.called)) == ("done", 1)
    assert {result.tool_call_id for result in results(model.seen[1])} == {"bad", mixed.tool_calls[0]["id"]}


async def test_a_model_that_never_gets_it_right_ends_in_plain_words():
    broken = AIMessage(
        "", invalid_tool_calls=[{"name": "say", "args": "{", "id": "1", "error": None, "type": "invalid_tool_call"}]
    )

    said = await answer(assistant(scripted(broken), tools=[FakeTool()]))

    assert (said.text, said.model_calls) == (NOTHING_SAID, 3)


async def test_an_empty_answer_is_asked_for_again_and_then_replaced():
    once = await answer(assistant(scripted(AIMessage(" "), AIMessage("here"))))
    never = await answer(assistant(scripted(AIMessage(""))))

    assert (once.text, once.model_calls) == ("here", 2)
    assert (never.text, never.model_calls) == (NOTHING_SAID, 2)


# --- what ends it ---


@pytest.mark.parametrize("step", [1, 2, 3])
async def test_what_control_raises_ends_the_turn_at_once(step):
    tool = FakeTool()
    model = scripted(calls(("say", {"text": "x"})), AIMessage("never"))

    with pytest.raises(LeaseLost):
        await answer(assistant(model, tools=[tool]), control=FakeControl(refuse={step: LeaseLost("taken over")}))
    assert (len(model.seen), len(tool.called)) == {1: (0, 0), 2: (1, 0), 3: (1, 1)}[step]


async def test_a_store_that_is_away_ends_the_turn_instead_of_being_told_to_the_model():
    async def does(arguments, context):
        raise StoreUnavailable("away")

    model = scripted(calls(("say", {"text": "x"})), AIMessage("never"))

    with pytest.raises(StoreUnavailable):
        await answer(assistant(model, tools=[FakeTool(does=does)]))
    assert len(model.seen) == 1


async def test_no_model_at_all_is_said_so():
    with pytest.raises(ModelUnavailable):
        await answer(assistant(scripted(ConnectionError("no"))))


async def test_the_fallback_goes_on_inside_the_turn_and_does_no_tool_twice():
    tool = FakeTool()
    first = scripted(calls(("say", {"text": "x"})), ConnectionError("gone"))
    second = scripted(AIMessage("finished by the second"))

    said = await answer(assistant(first, second, tools=[tool]))

    assert (said.text, said.model, len(tool.called)) == ("finished by the second", "fake1:x", 1)
    assert results(second.seen[0])[0].text == "said x"


async def test_tools_are_offered_once_for_all_turns():
    model = scripted(AIMessage("ok"))
    agent = assistant(model, tools=[FakeTool()])

    for _ in range(3):
        await answer(agent)

    assert model.offered == [["say"]]


@pytest.mark.parametrize("tracing", [False, True])
async def test_hooks_run_without_a_thread_unless_they_are_traced(monkeypatch, tracing):
    monkeypatch.setattr(hooks, "tracing_is_enabled", lambda: tracing)
    await assistant(scripted(AIMessage("ok"))).warm()

    assert (get_runtime_overrides().aio_to_thread is None) is tracing


async def test_summarises_the_old_summary_with_the_messages_after_it():
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


async def test_an_empty_summary_never_replaces_one():
    assert await assistant(scripted(AIMessage(""))).summarise(summary="old", said=[Said(Role.PERSON, "x")]) == "old"

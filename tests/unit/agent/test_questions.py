"""Questions to the person: who is asked what, one answer at a time, and the same again after a crash."""

import pytest
from langchain_core.messages import AIMessage

from shared.agent import approval, gate
from shared.agent.turn import AskKind, Given, Permission
from shared.conversation.states import EffectState
from shared.messages import LeaseLost, OutcomeUnknown, Permanent
from shared.ports import Effect
from tests.fakes.chat_models import calls, scripted
from tests.unit.agent.kit import AskingTool, CheckableTool, FakeControl, FakeTool, unknown
from tests.unit.agent.runs import FakeRun, results, words


def two(ids=()):
    return scripted(calls(("say", {"text": "a"}), ("say", {"text": "b"}), ids=ids), AIMessage("done"))


def asking(**fields):
    return FakeControl(permit=lambda tool, arguments: Permission.ASK, **fields)


def writing(**fields):
    return FakeTool(effect=Effect.WRITE, **fields)


async def test_each_call_is_asked_about_by_itself_and_goes_on_when_it_is_answered():
    model, tool = two(ids=["1", "2"]), writing()
    run = FakeRun([model], [tool])
    first, second = (await run.work(asking())).asked
    assert [(one.kind, one.call, one.index, one.arguments, one.text) for one in (first, second)] == [
        (AskKind.APPROVAL, "1", 0, {"text": "a"}, ""),
        (AskKind.APPROVAL, "2", 0, {"text": "b"}, ""),
    ]
    assert tool.called == []

    run.answer(second, "approve")
    outcome = await run.work(asking())
    assert [arguments.text for arguments, _ in tool.called] == ["b"]
    assert [one.call for one in outcome.asked] == ["1"], "the other question stays open"

    run.answer(first, "approve")
    outcome = await run.work(asking())
    assert outcome.answer.text == "done"
    assert [arguments.text for arguments, _ in tool.called] == ["b", "a"]
    assert words(model.seen[1]) == ["said a", "said b"], "in the order of the calls"
    assert len(model.seen) == 2


async def test_both_answers_at_once_are_applied_one_after_the_other():
    tool = writing()
    run = FakeRun([two()], [tool])
    for one in (await run.work(asking())).asked:
        run.answer(one, "approve")

    outcome = await run.work(asking())

    assert (outcome.answer.text, len(tool.called)) == ("done", 2)


@pytest.mark.parametrize(
    ("value", "told"),
    [({}, approval.REJECTED), ({"message": "not today"}, f"{approval.REJECTED} They said: not today")],
)
async def test_a_rejected_call_is_not_done_and_told_in_our_words(value, told):
    model, tool = scripted(calls(("say", {"text": "a"})), AIMessage("ok")), writing()
    run = FakeRun([model], [tool])
    run.answer((await run.work(asking())).asked[0], "reject", **value)

    assert (await run.work(asking())).answer.text == "ok"
    assert (words(model.seen[1]), tool.called, run.ledger.told) == ([told], [], [])


@pytest.mark.parametrize("shape", ["arguments", "edited_action"])
async def test_a_changed_call_is_made_as_the_person_wants_it_and_the_model_knows(shape):
    model, tool = scripted(calls(("say", {"text": "a"})), AIMessage("ok")), writing()
    run = FakeRun([model], [tool])
    changed = {"text": "c", "count": 2}
    value = changed if shape == "arguments" else {"name": "say", "args": changed}
    run.answer((await run.work(asking())).asked[0], "edit", **{shape: value})

    await run.work(asking())

    ((arguments, _),) = tool.called
    assert (arguments.text, arguments.count) == ("c", 2)
    (told,) = words(model.seen[1])
    assert told.startswith(approval.CHANGED)
    assert told.endswith("said c")


@pytest.mark.parametrize(
    "value",
    [{"type": "edit", "arguments": {"count": "many"}}, {"type": "respond", "message": "x"}, {"type": "repeat"}, {}],
)
async def test_an_answer_that_cannot_be_used_leaves_the_question_open_and_harms_nothing(value):
    tool = writing()
    run = FakeRun([two()], [tool])
    first, second = (await run.work(asking())).asked
    run.answers += [
        Given(first.interrupt, 0, first.call, value),
        Given(second.interrupt, 0, second.call, {"type": "approve"}),
    ]

    outcome = await run.work(asking())

    assert [one.call for one in outcome.asked] == [first.call]
    assert [arguments.text for arguments, _ in tool.called] == ["b"]


async def test_an_asking_tool_is_answered_by_the_person_and_never_called():
    model = scripted(calls(("say", {"text": "Tea or coffee"})), calls(("tell", {"text": "Why"})), AIMessage("ok"))
    choice, text = AskingTool(options=("tea", "coffee")), AskingTool(name="tell")
    run = FakeRun([model], [choice, text])
    (asked,) = (await run.work()).asked
    assert (asked.kind, asked.text, tuple(asked.options)) == (AskKind.CHOICE, "Tea or coffee?", ("tea", "coffee"))
    run.answer(asked, "respond", message="tea")
    (asked,) = (await run.work()).asked
    assert (asked.kind, asked.text, tuple(asked.options)) == (AskKind.TEXT, "Why?", ())
    run.answer(asked, "respond", message="because")

    assert (await run.work()).answer.text == "ok"
    assert (words(model.seen[2]), choice.called, text.called) == (["tea", "because"], [], [])
    assert [one.status for one in results(model.seen[2])] == ["success", "success"]


async def test_what_is_not_allowed_is_said_so_and_nobody_is_asked():
    for tool in (writing(), AskingTool()):
        model = scripted(calls(("say", {"text": "a"})), AIMessage("ok"))
        run = FakeRun([model], [tool])

        outcome = await run.work(FakeControl(permit=lambda tool, arguments: Permission.DENY))

        assert (outcome.answer.text, words(model.seen[1]), tool.called) == ("ok", [gate.DENIED], [])


async def test_nobody_is_asked_about_a_call_that_cannot_work():
    model = scripted(calls(("say", {"count": 1}), ("fly", {})), AIMessage("ok"))
    run = FakeRun([model], [writing()])
    control = asking()

    outcome = await run.work(control)

    assert outcome.answer.text == "ok"
    assert ["text: Field required" in words(model.seen[1])[0], "no tool named 'fly'" in words(model.seen[1])[1]] == [
        True
    ] * 2
    assert control.asked_for == []


async def test_reads_can_be_asked_about_and_what_was_read_beside_them_is_not_lost():
    model, tool, free = (
        scripted(calls(("look", {"text": "a"}), ("say", {"text": "b"})), AIMessage("ok")),
        FakeTool(),
        FakeTool(name="look"),
    )
    run = FakeRun([model], [tool, free])
    control = FakeControl(permit=lambda tool, _: Permission.ASK if tool == "say" else Permission.ALLOW)
    (asked,) = (await run.work(control)).asked
    read = len(free.called)
    run.answer(asked, "approve")

    assert (await run.work(control)).answer.text == "ok"
    assert len(free.called) == read
    assert words(model.seen[1]) == ["said a", "said b"]
    assert len(model.seen) == 2


# --- decided once and kept ---


@pytest.mark.parametrize("now", [Permission.ALLOW, Permission.DENY])
async def test_a_call_that_was_asked_about_stays_so_whatever_the_policy_says_now(now):
    tool = writing()
    run = FakeRun([two()], [tool])
    first, second = (await run.work(asking())).asked
    run.answer(first, "reject")
    later = FakeControl(permit=lambda tool, arguments: now)

    outcome = await run.work(later)

    assert ([one.call for one in outcome.asked], tool.called) == ([second.call], [])
    assert later.asked_for == []


@pytest.mark.parametrize("now", [Permission.ASK, Permission.DENY])
async def test_a_call_that_began_is_not_denied_or_asked_about_later(now):
    model, tool = scripted(calls(("say", {"text": "a"})), AIMessage("ok")), writing()
    run = FakeRun([model], [tool])
    with pytest.raises(LeaseLost):
        await run.work(FakeControl(refuse={3: LeaseLost("gone")}))

    outcome = await run.work(FakeControl(permit=lambda tool, arguments: now))

    assert (outcome.answer.text, words(model.seen[-1])) == ("ok", ["said a"])
    assert len(tool.called) == 1


async def test_an_allowed_call_whose_outcome_is_asked_about_is_not_asked_to_be_approved_later():
    tool = writing(does=unknown)
    run = FakeRun([scripted(calls(("say", {"text": "a"})), AIMessage("ok"))], [tool])
    (asked,) = (await run.work()).asked
    run.answer(asked, "repeat")
    tool.does = None

    assert (await run.work(asking())).answer.text == "ok"


async def test_an_approved_call_whose_outcome_is_unknown_has_its_second_question_after_the_first():
    tool = writing(does=unknown)
    run = FakeRun([scripted(calls(("say", {"text": "a"})), AIMessage("ok"))], [tool])
    run.answer((await run.work(asking())).asked[0], "approve")
    (doubt,) = (await run.work(asking())).asked
    assert (doubt.kind, doubt.index) == (AskKind.UNCERTAIN, 1)
    tool.does = None
    run.answer(doubt, "repeat")

    assert (await run.work(FakeControl())).answer.text == "ok"
    assert len(tool.called) == 2


async def test_what_was_looked_into_for_an_approved_call_is_not_looked_into_again():
    tool = CheckableTool(effect=Effect.WRITE, does=unknown, found=OutcomeUnknown("still"))
    run = FakeRun([scripted(calls(("say", {"text": "a"})), AIMessage("ok"))], [tool])
    for type_ in ("approve", "check", "drop"):
        run.answer((await run.work(asking())).asked[0], type_)

    assert (await run.work(asking())).answer.text == "ok"
    assert tool.checked == 1


async def test_an_answer_alone_keeps_a_call_asked_about():
    """The accepted checkpoint is from before the question, and the policy has changed: the person's no still counts."""
    asks, writes = FakeTool(name="ask", effect=Effect.WRITE), writing()
    model = scripted(calls(("say", {"text": "a"}), ("ask", {"text": "b"})), AIMessage("ok"))
    run = FakeRun([model], [writes, asks])
    outcome = await run.work(FakeControl(permit=lambda tool, _: Permission.ASK if tool == "ask" else Permission.ALLOW))
    run.answer(outcome.asked[0], "reject")
    for kept in run.checkpoints.saver.writes.values():
        kept.clear()

    assert (await run.work()).answer.text == "ok"
    assert (asks.called, len(writes.called)) == ([], 1)


# --- after a crash ---


async def test_a_recorded_answer_is_applied_again_before_anything_is_asked_again():
    tool = writing()
    run = FakeRun([two()], [tool])
    before = (await run.work(asking())).pointer
    first, second = run.outcome.asked
    run.answer(first, "approve")
    with pytest.raises(LeaseLost):
        await run.work(asking(refuse={1: LeaseLost("gone")}))
    assert run.ledger.pointer == before

    outcome = await run.work(asking())

    assert [arguments.text for arguments, _ in tool.called] == ["a"]
    assert [one.call for one in outcome.asked] == [second.call]


async def test_an_approval_is_not_asked_again_when_the_call_was_cut_by_a_crash():
    async def dies(arguments, context):
        raise LeaseLost("as if the process had died")

    tool = writing(does=dies)
    run = FakeRun([scripted(calls(("say", {"text": "a"})), AIMessage("ok"))], [tool])
    run.answer((await run.work(asking())).asked[0], "approve")
    with pytest.raises(LeaseLost):
        await run.work(asking())
    assert run.ledger.only().state is EffectState.STARTED

    (asked,) = (await run.work(asking())).asked

    assert (asked.kind, asked.index, len(tool.called)) == (AskKind.UNCERTAIN, 1, 1)
    assert run.ledger.only().state is EffectState.UNCERTAIN
    run.answer(asked, "drop")
    assert (await run.work(asking())).answer.text == "ok"


async def test_answers_that_the_checkpoint_holds_are_passed_over():
    tool = writing()
    model = scripted(calls(("say", {"text": "a"})), calls(("say", {"text": "b"})), AIMessage("ok"))
    run = FakeRun([model], [tool])
    for _ in range(2):
        run.answer((await run.work(asking())).asked[0], "approve")

    outcome = await run.work(asking())

    assert (outcome.answer.text, len(tool.called)) == ("ok", 2)


async def test_a_checkpoint_that_is_gone_is_said_so():
    run = FakeRun([two()], [writing()])
    await run.work(asking())
    await run.checkpoints.discard(threads=run.checkpoints.threads)

    with pytest.raises(Permanent, match="not there any more"):
        await run.work(asking())

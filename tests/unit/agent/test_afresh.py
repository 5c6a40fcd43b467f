"""Going on with another agent: the old messages made whole, nothing done again, no history lost."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from shared.agent import doubt, revision
from shared.agent.segment import build
from shared.agent.turn import Permission
from shared.messages import LeaseLost
from shared.ports import Effect
from tests.fakes.chat_models import calls, chain, scripted
from tests.unit.agent.kit import AskingTool, FakeControl, FakeTool, Words, by_name
from tests.unit.agent.runs import FakeRun, results, words

CHANGED = "I was changed meanwhile, and this was not done."


async def test_calls_without_a_result_get_one_from_the_ledger_or_the_words_and_none_is_made():
    async def dies(arguments, context):
        if arguments.text == "c":
            raise LeaseLost("as if the process had died")
        return await FakeTool().call(arguments=arguments, context=context)

    wanted = [("say", {"text": text}) for text in "ab"]
    asked = calls(*wanted, ("say", {"text": "c"}), ("look", {"text": "d"}), ("ask", {"text": "e"}), ids=list("12345"))
    before = FakeRun([scripted(asked)], [FakeTool(effect=Effect.WRITE), FakeTool(name="look"), FakeTool(name="ask")])
    control = FakeControl(permit=lambda tool, _: Permission.ASK if tool == "ask" else Permission.ALLOW)
    before.tools[0].does = dies
    with pytest.raises(LeaseLost):
        await before.work(control)
    done = [row.state.value for row in before.ledger.rows.values()]
    assert done == ["done", "done", "started"]

    model = scripted(AIMessage("I can go on"))
    after = FakeRun([model], [FakeTool(name="other")], checkpoints=before.checkpoints, ledger=before.ledger)
    outcome = await after.work(afresh=CHANGED)

    assert outcome.answer.text == "I can go on"
    seen = model.seen[0][1:]
    assert isinstance(seen[0], HumanMessage)
    assert [one.tool_call_id for one in results(seen)] == list("12345")
    told = words(seen)
    assert told[:3] == ["said a", "said b", doubt.NOBODY_KNOWS]
    assert told[3] in ("said d", CHANGED)
    assert told[4] == CHANGED
    assert len(before.tools[0].called) == 3


async def test_what_was_read_beside_an_open_question_is_kept_and_the_old_answer_is_passed_over():
    before = FakeRun(
        [scripted(calls(("look", {"text": "q"}), ("say", {"text": "a"})))],
        [FakeTool(effect=Effect.WRITE), FakeTool(name="look")],
    )
    outcome = await before.work(
        FakeControl(permit=lambda tool, _: Permission.ASK if tool == "say" else Permission.ALLOW)
    )
    model = scripted(calls(("say", {"text": "again"})), AIMessage("done"))
    tool = FakeTool(effect=Effect.WRITE)
    after = FakeRun([model], [tool], checkpoints=before.checkpoints, ledger=before.ledger, segments=1)
    after.answer(outcome.asked[0], "approve")

    outcome = await after.work(afresh=CHANGED)

    assert outcome.answer.text == "done"
    assert words(model.seen[0]) == ["said q", CHANGED]
    assert [arguments.text for arguments, _ in tool.called] == ["again"]
    assert before.tools[0].called == []


# --- the revision ---


async def test_a_revision_is_the_same_for_the_same_agent_and_another_for_another():
    class More(Words):
        more: int = 0

    one = revision.revision(by_name(FakeTool()))

    assert await FakeRun([scripted(AIMessage("x"))], [FakeTool()]).assistant().revision() == one
    others = {
        revision.revision(by_name(tool))
        for tool in (
            FakeTool(name="other"), FakeTool(effect=Effect.WRITE), FakeTool(arguments=More), AskingTool(),
        )
    }  # fmt: skip
    assert len({one, *others}) == 5
    assert one == revision.revision(by_name(FakeTool(description="Other words.", progress="Other")))


def test_a_revision_changes_with_the_prompts(tmp_path, monkeypatch):
    before = revision.revision(())
    (tmp_path / "system.md").write_text("You are somebody else.")
    monkeypatch.setattr(revision, "PROMPTS", tmp_path)

    assert revision.revision(()) != before


def test_the_middleware_that_a_revision_names_is_the_graphs_and_none_has_a_node_of_its_own():
    agent = build(models=chain(scripted(AIMessage("x"))), tools=by_name(FakeTool()))

    assert tuple(hook.name for hook in agent.middleware) == revision.MIDDLEWARE
    for graph in (agent.graph, agent.light):
        assert set(graph.nodes) == {"__start__", "model", "tools"}

"""A run that is abandoned at any await of its ledger and goes on from what was accepted: no effect happens twice."""

import asyncio

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from shared.agent.turn import AskKind, Permission
from shared.conversation.states import EffectState
from shared.ports import Effect, ToolResult
from tests.fakes.chat_models import calls, scripted
from tests.unit.agent.kit import FakeControl, FakeTool, RepeatableTool
from tests.unit.agent.runs import FakeRun

POINTS = ("find", "start", "started", "finish", "finished")


class World:
    """What really happened outside: each effect by its text. Abandoning a call is possible before and after it."""

    def __init__(self):
        self.effects = []
        self.reads = 0

    async def write(self, arguments, context):
        self.effects.append(arguments.text)
        return ToolResult(f"did {arguments.text}")

    async def read(self, arguments, context):
        self.reads += 1
        return ToolResult("seen")


async def replies(messages):
    """A model that wants two writes with a read, then one more write, and then is done; by what it sees, as a real one."""
    done = [message.text for message in messages if isinstance(message, ToolMessage)]
    if not done:
        return calls(("say", {"text": "a"}), ("look", {"text": "q"}), ("say", {"text": "b"}))
    return calls(("say", {"text": "c"})) if len(done) < 4 else AIMessage("done")


async def abandoned(run, *, point, number, control):
    """Work until the ledger is at that point for that time, then leave it all behind, as a killed process does."""
    reached, seen = asyncio.Event(), 0

    async def hang(at):
        nonlocal seen
        if reached.is_set():
            await asyncio.Event().wait()
        if at == point:
            seen += 1
            if seen == number:
                reached.set()
                await asyncio.Event().wait()

    run.ledger.before = hang
    task = asyncio.create_task(run.work(control))
    stop = asyncio.create_task(reached.wait())
    await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not task.done():
        # Whatever the segment still wants to record hangs as well: nothing of it reaches the store.
        task.cancel()
        await asyncio.wait({task}, timeout=10)
        assert task.done()
    run.ledger.before = None
    return reached.is_set()


@pytest.mark.parametrize("asks", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("point", POINTS)
async def test_each_effect_happens_at_most_once_and_what_was_cut_is_asked_about(point, number, asks, monkeypatch):
    monkeypatch.setattr("shared.agent.effects.RECORDING", 0.01)
    world = World()
    run = FakeRun(
        [scripted(replies)], [FakeTool(effect=Effect.WRITE, does=world.write), FakeTool(name="look", does=world.read)]
    )
    permission = Permission.ASK if asks else Permission.ALLOW

    def control():
        return FakeControl(permit=lambda tool, _: permission if tool == "say" else Permission.ALLOW)

    if asks:
        for one in (await run.work(control())).asked:
            run.answer(one, "approve")
    crashed = await abandoned(run, point=point, number=number, control=control())
    left = [row for row in run.ledger.rows.values() if row.state is EffectState.STARTED]

    doubts = 0
    for _ in range(12):
        outcome = await run.work(control())
        if outcome.answer:
            break
        for one in outcome.asked:
            if one.kind is AskKind.UNCERTAIN:
                doubts += 1
                run.answer(one, "drop")
            else:
                run.answer(one, "approve")
    else:
        raise AssertionError("the run never ends")

    assert outcome.answer.text == "done"
    # The third is only asked for once the first two are done.
    assert crashed or (asks and number == 3)
    assert len(world.effects) == len(set(world.effects)), world.effects
    assert doubts == len(left), "asked about each that had started, and about no other"
    states = [row.state for row in run.ledger.rows.values()]
    assert states.count(EffectState.DROPPED) == doubts
    assert set(states) <= {EffectState.DONE, EffectState.DROPPED}


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("point", POINTS)
async def test_a_repeatable_tool_is_called_again_with_its_key_and_nobody_is_asked(point, number, monkeypatch):
    monkeypatch.setattr("shared.agent.effects.RECORDING", 0.01)
    tool = RepeatableTool(effect=Effect.WRITE)
    run = FakeRun([scripted(replies)], [tool, FakeTool(name="look")])
    await abandoned(run, point=point, number=number, control=FakeControl())
    by_text = {}

    outcome = await run.work()

    assert outcome.answer.text == "done"
    accepted = {key.replace(":", ".") for key in run.ledger.rows}
    for arguments, context in tool.called:
        key = context.key.partition("#")[2]
        if key in accepted:
            by_text.setdefault(arguments.text, set()).add(key)
    assert {text: len(keys) for text, keys in by_text.items()} == {"a": 1, "b": 1, "c": 1}


async def test_a_repeat_that_was_cut_is_asked_about_again_and_never_made_a_third_time_by_itself(monkeypatch):
    monkeypatch.setattr("shared.agent.effects.RECORDING", 0.01)
    world = World()
    run = FakeRun([scripted(replies)], [FakeTool(effect=Effect.WRITE, does=world.write), FakeTool(name="look")])
    await abandoned(run, point="finish", number=1, control=FakeControl())
    asked = (await run.work()).asked
    for one in asked:
        run.answer(one, "repeat")
    await abandoned(run, point="finish", number=1, control=FakeControl())
    before = list(world.effects)

    outcome = await run.work()

    assert [one.kind for one in outcome.asked] == [AskKind.UNCERTAIN] * len(outcome.asked) != []
    assert {one.index for one in outcome.asked} == {1}
    assert sorted(world.effects) == sorted(before)


async def test_a_late_writer_cannot_harm_what_was_accepted(monkeypatch):
    """Two processes work on one run: the one whose lease is gone flushes as it likes, and nobody goes on from that."""
    world = World()
    run = FakeRun([scripted(replies)], [FakeTool(effect=Effect.WRITE, does=world.write), FakeTool(name="look")])
    for one in (await run.work(FakeControl(permit=lambda tool, _: Permission.ASK))).asked:
        run.answer(one, "approve")
    late = FakeRun(run.models, run.tools, checkpoints=run.checkpoints)
    late.ledger.pointer, late.answers, late.segments = run.ledger.pointer, list(run.answers), 7
    late.answers = [
        given.__class__(given.interrupt, given.index, given.call, {"type": "reject"}) for given in late.answers
    ]

    async def refuse(point):
        pass

    late.ledger.before = refuse
    await late.work(FakeControl(permit=lambda tool, _: Permission.ASK))

    outcome = await run.work(FakeControl())

    assert outcome.answer is not None or outcome.asked
    assert sorted(set(world.effects)) == sorted(world.effects)
    assert {"a", "b"} <= set(world.effects)

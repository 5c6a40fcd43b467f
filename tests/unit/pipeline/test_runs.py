"""Runs that go on after their turn: handed over, asking, dropped for another revision, and never begun again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from shared.agent.turn import Control, Outcome, Pointer, Segment
from shared.conversation.run_records import Run, RunOwner
from shared.conversation.states import EffectState, EntryState, QuestionState, RunState
from shared.messages import BudgetSpent, EventKind, ModelUnavailable, Permanent, QueueUnavailable
from shared.pipeline import words
from shared.pipeline.run import Reference
from shared.pipeline.segments import Do
from shared.ports import Effect
from shared.steps import Step
from tests.fakes import courses
from tests.fakes.courses import ask, pause, say
from tests.fakes.dead_letters import replay
from tests.fakes.world import World


async def run_of(world: World, event: str) -> Run:
    found = await world.partition().run(event)
    assert found
    return found.record


async def tell_answers(segment: Segment, _: Control) -> Outcome:
    return courses.said(" ".join(courses.answers(segment)))


async def press(world: World, choice: str, *, n: int | str) -> None:
    """Press a button of the question that is open."""
    [question] = await world.partition().questions(entry=1)
    await world.arrive("", n=n, kind=EventKind.PRESS, button=f"q:{question.record.token}:{choice}")


# --- going on -------------------------------------------------------------------------------------------------


async def test_a_run_whose_time_is_over_goes_on_from_its_checkpoint(world: World) -> None:
    world.assistant.course = courses.in_turn(pause, pause, say("done at last"))
    made = await world.arrive("something long")
    await world.settle()
    assert world.messages == ["done at last"]
    first, second, third = world.assistant.segments
    assert first.accepted is None
    assert second.accepted is not None
    assert second.accepted.checkpoint == third.accepted.checkpoint if third.accepted else False
    assert len({segment.thread for segment in world.assistant.segments}) == 3, "a late writer harms no later one"
    run = await run_of(world, made.id)
    assert (run.state, run.owner, run.segments, run.model_calls) == (RunState.FINISHED, RunOwner.DURABLE, 3, 3)
    record = await world.record()
    assert (record.runs, record.waiting, record.wake_at, record.lease.until) == ((), 0, None, None)
    assert (await world.entry(made)).ttl, "the entry is kept for as long as its run, and no longer"
    assert world.orchestrations.references == {}


async def test_each_segment_takes_a_step_however_late_it_begins(tmp_path: Path) -> None:
    world = World(tmp_path, PRAXOS_SEGMENT_SECONDS=5)
    drained: list[bool] = []

    async def late(segment: Segment, control: Control) -> Outcome:
        world.clock.pass_(seconds=6)
        drained.append(control.draining())
        await control.before_step()
        drained.append(control.draining())
        return courses.said("got on")

    world.assistant.course = courses.in_turn(pause, late)
    await world.arrive("something long")
    await world.settle()
    await world.close()
    assert drained == [False, True]


async def test_the_hand_over_is_written_before_an_orchestration_is_woken(world: World) -> None:
    seen: list[RunOwner] = []
    wake = world.orchestrations.wake

    async def woken(*, instance: str, reference: str) -> None:
        seen.append((await run_of(world, made.id)).owner)
        await wake(instance=instance, reference=reference)

    world.orchestrations.wake = woken  # type: ignore[method-assign]  # listens in
    world.assistant.course = courses.in_turn(pause, say("done"))
    made = await world.arrive("something long")
    await world.settle()
    assert set(seen) == {RunOwner.DURABLE}


async def test_a_run_whose_orchestration_was_never_woken_is_found_by_the_sweeper(world: World) -> None:
    async def away(*, instance: str, reference: str) -> None:
        raise QueueUnavailable("the engine is away")

    wake, world.orchestrations.wake = world.orchestrations.wake, away  # type: ignore[method-assign]
    world.assistant.course = courses.in_turn(pause, say("done"))
    await world.arrive("something long")
    await world.settle()
    assert world.messages == []
    world.orchestrations.wake = wake  # type: ignore[method-assign]
    await world.pass_(seconds=61)
    assert world.messages == ["done"]


async def test_a_turn_that_died_between_asking_and_waking_is_made_up_for_by_its_bell(world: World) -> None:
    """Its bell comes again at once; the sweeper would come for the run a minute later."""

    async def dies(*, instance: str, reference: str) -> None:
        raise RuntimeError("killed")

    wake, world.orchestrations.wake = world.orchestrations.wake, dies  # type: ignore[method-assign]
    world.assistant.course = ask
    made = await world.arrive("something that needs approval")
    with pytest.raises(RuntimeError):
        await world.app.turns.answer(world.bell())
    assert (await run_of(world, made.id)).state is RunState.WAITING
    world.orchestrations.wake = wake  # type: ignore[method-assign]
    await world.app.turns.answer(world.bell())
    assert len(world.orchestrations.started) == 1


async def test_an_ended_run_is_never_woken_and_never_begun_again(world: World) -> None:
    world.assistant.course = courses.in_turn(pause, say("done"))
    made = await world.arrive("something long")
    await world.settle()
    partition = world.partition()
    await world.app.runs.wake(partition, made.id)
    assert world.orchestrations.references == {}
    reference = Reference(tenant="main", conversation=partition.id, run=made.id)
    assert (await world.app.runs.step(reference)).do is Do.END
    assert len(world.assistant.segments) == 2


async def test_a_run_waits_for_a_model_that_is_away_and_the_person_is_told_once(world: World) -> None:
    async def away(segment: Segment, _: Control) -> Outcome:
        raise ModelUnavailable("away")

    world.assistant.course = courses.in_turn(pause, away, away, say("back again"))
    made = await world.arrive("something long")
    await world.settle()
    assert "".join(world.texts) == words.MODEL_AWAY
    run = await run_of(world, made.id)
    assert (run.attempt, run.starts, run.state) == (1, 0, RunState.WORKING)
    for _ in range(6):
        await world.pass_(seconds=20)
    assert world.messages == [words.MODEL_AWAY, "back again"]


async def test_a_model_that_goes_away_again_is_told_of_again_and_that_is_no_repeat(world: World) -> None:
    async def away(segment: Segment, _: Control) -> Outcome:
        raise ModelUnavailable("away")

    world.assistant.course = courses.in_turn(away, pause, away, say("back again"))
    await world.arrive("something long")
    await world.settle()
    for _ in range(6):
        await world.pass_(seconds=20)
    assert world.messages == [words.MODEL_AWAY, words.MODEL_AWAY, "back again"]
    keys = [sent.key for sent in world.channel.sent]
    assert len(set(keys)) == len(keys), "a platform drops what comes again with the same key"


async def test_a_run_in_permanent_trouble_becomes_a_dead_letter_and_its_replay_goes_on_from_the_checkpoint(
    world: World,
) -> None:
    async def broken(segment: Segment, _: Control) -> Outcome:
        raise Permanent("no such model")

    world.assistant.course = courses.in_turn(pause, broken, say("now it works"))
    made = await world.arrive("something long")
    await world.settle()
    assert "".join(world.texts) == words.COULD_NOT
    [letter] = await world.letters()
    assert letter.reason == "no such model"
    assert (await world.entry(made)).state is EntryState.DEAD
    run = await run_of(world, made.id)
    assert (run.state, run.owner) == (RunState.FAILED, RunOwner.TURN)
    assert run.checkpoint is not None
    assert (await world.record()).runs == ()


async def test_an_orchestration_that_did_not_hear_of_the_end_leaves_the_replay_to_its_turn(world: World) -> None:
    """Its process was killed between the activity and its record, so the activity is executed again."""

    async def broken(segment: Segment, _: Control) -> Outcome:
        raise Permanent("no such model")

    world.assistant.course = courses.in_turn(pause, broken, say("next"), say("now it works"))
    made = await world.arrive("something long")
    await world.settle()
    await world.arrive("what came meanwhile", n=2)
    await replay(world)
    reference = Reference(tenant="main", conversation=world.partition().id, run=made.id)
    assert (await world.app.runs.step(reference)).do is Do.END
    assert len(world.assistant.segments) == 2
    await world.settle()
    assert [text for text in world.texts if text in ("next", "now it works")] == ["next", "now it works"]
    record = await world.record()
    assert (record.waiting, record.settled, record.entries) == (0, 3, 3)


async def test_a_spent_budget_says_what_was_done(world: World) -> None:
    async def work(segment: Segment, control: Control) -> Outcome:
        await control.progress("3 of 10")
        return courses.paused(segment)

    async def spent(segment: Segment, _: Control) -> Outcome:
        raise BudgetSpent("500 model calls")

    world.assistant.course = courses.in_turn(work, spent)
    await world.arrive("something endless")
    await world.settle()
    assert world.messages == [words.budget_spent(steps=1, lately=("3 of 10",))]
    assert "3 of 10" in world.messages[0]


# --- questions ------------------------------------------------------------------------------------------------


async def test_a_question_lets_the_conversation_go_on_and_its_answer_goes_in(world: World) -> None:
    world.assistant.course = courses.in_turn(ask, say("meanwhile"), tell_answers)
    made = await world.arrive("forget everything")
    await world.settle()
    assert "forget everything" in world.messages[0]
    record = await world.record()
    assert [run.waiting for run in record.runs] == [True]
    assert record.lease.until is None
    await world.arrive("what is the time?", n=2)
    await world.settle()
    assert world.messages[1].startswith("meanwhile")
    assert "still waiting for your answer" in world.messages[1]
    await press(world, "approve", n=3)
    await world.settle()
    assert world.messages[-1] == "approve"
    assert (await run_of(world, made.id)).state is RunState.FINISHED
    [question] = await world.partition().questions(entry=1)
    assert (question.record.state, question.record.taken_in) == (QuestionState.ANSWERED, True)
    assert question.record.wake_at is None
    assert (await world.record()).runs == ()


async def test_the_same_question_is_asked_once_and_a_second_one_of_the_same_call_again(world: World) -> None:
    async def ask_again(segment: Segment, _: Control) -> Outcome:
        return courses.asks(segment, courses.approval(index=1))

    world.assistant.course = courses.in_turn(ask, ask_again, tell_answers)
    await world.arrive("forget everything")
    await world.settle()
    await press(world, "approve", n=2)
    await world.settle()
    first, second = await world.partition().questions(entry=1)
    assert (first.record.index, second.record.index) == (0, 1)
    assert second.record.state is QuestionState.OPEN


async def test_an_answer_whose_bell_was_lost_is_found_by_the_sweeper(world: World) -> None:
    world.assistant.course = courses.in_turn(ask, tell_answers)
    await world.arrive("forget everything")
    await world.settle()
    await press(world, "approve", n=2)
    for queue in ("turns",):
        for message in await world.app.broker.receive(queue=queue, limit=10):
            await world.app.broker.complete(step=Step.SETTLE_TURNS, message=message)
    await world.settle()
    assert "approve" not in world.messages
    await world.pass_(seconds=62)
    assert world.messages[-1] == "approve"


async def test_a_question_that_nobody_answers_expires_with_the_stated_default(world: World) -> None:
    world.assistant.course = courses.in_turn(ask, tell_answers)
    await world.arrive("forget everything")
    await world.settle()
    for _ in range(4):
        await world.pass_(seconds=timedelta(hours=7).total_seconds())
    assert world.messages[-1] == "reject"
    [question] = await world.partition().questions(entry=1)
    assert question.record.state is QuestionState.EXPIRED


# --- another revision -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("choice", "heard"), [("continue", "went on"), ("drop", words.dropped())])
async def test_another_revision_of_the_agent_asks_before_it_goes_on(world: World, choice: str, heard: str) -> None:
    async def go_on(segment: Segment, _: Control) -> Outcome:
        assert segment.afresh
        return courses.said("went on")

    world.assistant.course = courses.in_turn(ask, go_on)
    await world.arrive("forget everything")
    await world.settle()
    world.assistant.is_now = "second revision"
    await press(world, "approve", n=2)
    await world.settle()
    questions = await world.partition().questions(entry=1)
    revision = questions[-1].record
    assert revision.about == "revision"
    assert len(world.assistant.segments) == 1, "the new one did not go on by itself"
    await world.arrive("", n=3, kind=EventKind.PRESS, button=f"q:{revision.token}:{choice}")
    await world.settle()
    assert world.messages[-1] == heard
    assert (await world.record()).runs == ()


async def test_a_dropped_run_says_what_may_have_happened(world: World) -> None:
    async def in_doubt_then_ask(segment: Segment, control: Control) -> Outcome:
        await control.progress("Posting to example.org")

        pointer = Pointer(thread=f"{segment.thread}.0", checkpoint="before")
        await control.ledger.start(
            key="k", tool="post", effect=Effect.WRITE, arguments="hash", attempt=1, pointer=pointer
        )
        await control.ledger.finish(key="k", state=EffectState.UNCERTAIN, result={}, why="cut")
        return courses.asks(segment, courses.approval())

    world.assistant.course = in_doubt_then_ask
    await world.arrive("post something")
    await world.settle()
    world.assistant.is_now = "second revision"
    await press(world, "approve", n=2)
    await world.settle()
    revision = (await world.partition().questions(entry=1))[-1].record
    await world.arrive("", n=3, kind=EventKind.PRESS, button=f"q:{revision.token}:drop")
    await world.settle()
    assert world.messages[-1] == words.dropped(["Posting to example.org"])

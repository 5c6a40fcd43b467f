"""Runs that go on after their turn: handed over, asking, steered, stopped, and never begun again."""

from __future__ import annotations

import asyncio
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
from tests.fakes.dead_letters import replay
from tests.fakes.world import World


async def run_of(world: World, event: str) -> Run:
    found = await world.partition().run(event)
    assert found
    return found.record


async def pause(segment: Segment, _: Control) -> Outcome:
    return courses.paused(segment)


async def ask(segment: Segment, _: Control) -> Outcome:
    return courses.asks(segment, courses.approval())


def say(text: str) -> courses.Course:
    async def course(segment: Segment, _: Control) -> Outcome:
        return courses.said(text)

    return course


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


# --- steering -------------------------------------------------------------------------------------------------


async def test_what_comes_in_while_a_run_works_is_seen_before_its_next_step(world: World) -> None:
    seen: list[str] = []

    async def work(segment: Segment, control: Control) -> Outcome:
        assert not await control.arrivals()
        await world.arrive("no, the other one", n=2)
        world.clock.pass_(seconds=1)
        await control.before_step()
        assert control.waiting()
        seen.extend(one.text for one in await control.arrivals())
        assert not control.waiting()
        return courses.said("the other one, then")

    world.assistant.course = work
    await world.arrive("take this one")
    await world.settle()
    assert seen == ["no, the other one"]
    assert world.messages == ["the other one, then"]
    record = await world.record()
    assert (record.waiting, record.settled, record.entries) == (0, 2, 2)


@pytest.mark.parametrize(("mode", "turns"), [("followup", 2), ("collect", 1), ("steer", 2)])
async def test_what_waits_when_a_turn_begins_depends_on_the_mode(world: World, mode: str, turns: int) -> None:
    async def work(segment: Segment, control: Control) -> Outcome:
        await control.before_step()
        arrived = await control.arrivals()
        return courses.said(" + ".join([segment.question.text, *(one.text for one in arrived)]))

    await world.arrive(f"/queue {mode}", n="mode")
    await world.settle()
    world.channel.sent.clear()
    world.assistant.course = work
    await world.arrive("one", n=2)
    await world.arrive("two", n=3)
    await world.settle()
    assert len(world.messages) == turns
    assert " + ".join(world.messages) == "one + two"


async def test_in_the_mode_interrupt_a_message_stops_the_run_and_gets_its_own_turn(world: World) -> None:
    await world.arrive("/queue interrupt", n="mode")
    await world.settle()
    world.channel.sent.clear()

    async def work(segment: Segment, control: Control) -> Outcome:
        if segment.question.text == "first":
            await world.arrive("second", n=3)
            world.clock.pass_(seconds=1)
            await control.before_step()
        return courses.said(segment.question.text)

    world.assistant.course = work
    await world.arrive("first", n=2)
    await world.settle()
    assert world.messages[0].startswith("Stopped: “first”")
    assert world.messages[1] == "second"


# --- /stop ----------------------------------------------------------------------------------------------------


async def test_stop_ends_the_run_in_hand_and_everything_that_waits_behind_it(world: World) -> None:
    async def work(segment: Segment, control: Control) -> Outcome:
        await control.progress("3 of 10")
        await world.arrive("and then this", n=2)
        await world.arrive("/stop", n=3)
        world.clock.pass_(seconds=1)
        await control.before_step()
        raise AssertionError("a step started after the stop")

    world.assistant.course = work
    made = await world.arrive("count to 10")
    await world.settle()
    assert world.messages == [
        (
            "Stopped: “count to 10”. Done so far: 1 step, the last of them “3 of 10”.\n\n"
            "I also dropped one message that waited."
        )
    ]
    assert (await world.entry(made)).state is EntryState.STOPPED
    assert (await run_of(world, made.id)).state is RunState.STOPPED
    record = await world.record()
    assert (record.waiting, record.settled, record.lease.until, record.wake_at) == (0, 3, None, None)
    world.assistant.course = None
    await world.arrive("hello", n=4)
    await world.settle()
    assert world.messages[-1] == "You said: hello"


async def test_stop_cuts_a_step_that_takes_its_time(world: World) -> None:
    async def work(segment: Segment, control: Control) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError

    world.assistant.course = work
    await world.arrive("wait for ever")
    [bell] = await world.app.broker.receive(queue="turns", limit=1)
    working = asyncio.create_task(world.handle("turns", bell.body))
    await world.assistant.entered.wait()
    await world.arrive("/stop", n=2)
    await asyncio.wait_for(working, 5)
    await world.settle()
    assert world.messages == ["Stopped: “wait for ever”."]


async def test_stop_closes_the_question_of_a_run_that_waits(world: World) -> None:
    world.assistant.course = ask
    made = await world.arrive("forget everything")
    await world.settle()
    await world.arrive("/stop", n=2)
    await world.settle()
    assert world.messages[-1].startswith("Stopped: “forget everything”")
    [question] = await world.partition().questions(entry=1)
    assert question.record.state is QuestionState.CLOSED
    assert (await run_of(world, made.id)).state is RunState.STOPPED
    assert (await world.record()).runs == ()
    await world.pass_(seconds=timedelta(days=2).total_seconds())
    assert world.orchestrations.references == {}


async def test_stop_tells_of_an_effect_that_may_have_happened(world: World) -> None:
    async def work(segment: Segment, control: Control) -> Outcome:
        await control.progress("Posting to example.org")

        async def never_heard_of_again() -> None:
            await control.ledger.finish(key="k", state=EffectState.UNCERTAIN, result={}, why="cut")
            await world.arrive("/stop", n=2)
            world.clock.pass_(seconds=1)
            await control.before_step()

        await courses.write(segment, control, key="k", does=never_heard_of_again)
        raise AssertionError

    world.assistant.course = work
    await world.arrive("post something")
    await world.settle()
    assert "Posting to example.org: I do not know whether this happened." in world.messages[0]


async def test_a_stop_that_comes_before_the_reply_is_written_wins(world: World) -> None:
    async def work(segment: Segment, control: Control) -> Outcome:
        await world.arrive("/stop", n=2)
        return courses.said("too late")

    world.assistant.course = work
    await world.arrive("something")
    await world.settle()
    assert world.messages == ["Stopped: “something”."]


async def test_there_may_be_nothing_to_stop(world: World) -> None:
    await world.arrive("/stop")
    await world.settle()
    assert world.messages == [words.NOTHING_TO_STOP]


async def test_new_stops_what_is_being_done(world: World) -> None:
    world.assistant.course = ask
    await world.arrive("forget everything")
    await world.settle()
    await world.arrive("/new", n=2)
    await world.settle()
    assert (await world.record()).runs == ()
    assert words.NEW_CONVERSATION in world.messages


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

"""/stop and /new: what is in hand ends, and what waits behind it; what may have happened is said."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from shared.agent.turn import Control, Outcome, Segment
from shared.conversation.run_records import Run
from shared.conversation.states import EffectState, EntryState, QuestionState, RunState
from shared.pipeline import words
from tests.fakes import courses
from tests.fakes.courses import ask
from tests.fakes.world import World


async def run_of(world: World, event: str) -> Run:
    found = await world.partition().run(event)
    assert found
    return found.record


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

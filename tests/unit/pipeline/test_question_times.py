"""What is due for a question: told elsewhere, reminded, given up; each once, also after a crash at any moment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.conversation import questions
from shared.conversation.run_records import GivenAnswer
from shared.conversation.states import QuestionState
from shared.pipeline import words_questions as say
from shared.steps import Step
from shared.topology import OUTBOUND, TURNS
from tests.fakes.questions import (
    ButtonChannel,
    Waiting,
    approval,
    ask,
    choice,
    free,
    heard,
    offered,
    press,
    uncertain,
)
from tests.fakes.world import World

HOUR = 3600.0


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path, channel=ButtonChannel())
    yield made
    await made.close()


@pytest.fixture
async def owned(tmp_path: Path) -> AsyncIterator[World]:
    """Approvals go to Olga, in her office."""
    made = World(tmp_path, channel=ButtonChannel(), PRAXOS_APPROVER="owner")
    await made.arrive(f"/claim {await made.app.linking.claim_code()}", n="claim", chat="office", sender="olga")
    yield made
    await made.close()


async def texts(world: World, chat: str = "chat") -> list[str]:
    return [part.payload["text"] for part in await world.parts(chat)]


async def bells(world: World, queue: str = OUTBOUND) -> int:
    found = await world.app.broker.receive(queue=queue, limit=100)
    for message in found:
        await world.app.broker.complete(step=Step.SETTLE_OUTBOUND, message=message)
    return len(found)


async def test_nothing_is_due_before_its_time(world: World) -> None:
    waiting = await ask(world, approval())
    assert await waiting.look() == (await waiting.question()).remind_at
    assert await texts(world) == []


async def test_half_way_the_person_is_reminded_once_with_the_same_buttons(world: World) -> None:
    waiting = await ask(world, approval())
    world.clock.pass_(seconds=12 * HOUR)
    question = await waiting.question()
    assert await waiting.look() == question.expires_at
    assert await waiting.look() == question.expires_at
    [said] = await texts(world)
    assert said == say.reminder(question).text
    assert ("Approve", f"q:{question.token}:approve") in await offered(world)
    assert await bells(world) == 1


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        (approval(), {"type": "reject", "message": "Nobody answered in time."}),
        (choice("a", "b"), {"type": "respond", "message": "Nobody answered in time."}),
        (free(), {"type": "respond", "message": "Nobody answered in time."}),
        (uncertain(), {"type": "drop"}),
    ],
)
async def test_when_the_time_is_over_the_default_counts_and_the_person_is_told(
    world: World, asked: object, value: object
) -> None:
    waiting = await ask(world, asked)  # type: ignore[arg-type]  # the cases are Asked
    world.clock.pass_(seconds=24 * HOUR)
    assert await waiting.look() is None
    assert await waiting.look() is None
    question = await waiting.question()
    assert question.state is QuestionState.EXPIRED
    assert question.answer is not None
    assert question.answer.value == value
    assert (question.wake_at is not None, question.ring) == (True, TURNS)
    [said] = await texts(world)
    assert said == say.expired(question)
    assert said.startswith("Nobody answered in time.")
    assert await questions.open_questions(world.app.store, tenant="main", user=question.user) == []
    late = await press(world, question, "approve")
    assert (await heard(world, late))[0].startswith("The time to answer that was over")


async def test_an_answer_that_comes_first_wins_over_the_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = await ask(world, approval())
    world.clock.pass_(seconds=24 * HOUR)
    real, raced = world.app.store.batch, False

    async def batch(**arguments: object) -> object:
        nonlocal raced
        if arguments["step"] is Step.EXPIRE_QUESTION and not raced:
            raced = True
            answer = GivenAnswer(value={"type": "approve"}, words="approved", user=waiting.run.user, at=world.in_(0))
            await waiting.change(state=QuestionState.ANSWERED, answer=answer)
        return await real(**arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(world.app.store, "batch", batch)
    assert await waiting.look() is None
    assert (await waiting.question()).state is QuestionState.ANSWERED
    assert await texts(world) == []


async def test_a_question_is_put_into_the_other_conversation_once(owned: World) -> None:
    before = len(await texts(owned, "office"))
    waiting = await ask(owned, approval())
    await bells(owned)
    question = await waiting.question()
    assert await waiting.look() == question.remind_at
    assert await waiting.look() == question.remind_at
    assert (await waiting.question()).told
    assert (await texts(owned, "office"))[before:] == [say.message(question).text]
    assert await texts(owned) == [], "the person's own notice is the asker's to write"
    assert await bells(owned) == 1
    await press(owned, question, "approve", chat="office", sender="olga")
    assert (await waiting.question()).state is QuestionState.ANSWERED


async def test_only_the_approver_answers_an_approval_that_went_to_them(owned: World) -> None:
    waiting = await ask(owned, approval())
    event = await press(owned, await waiting.question(), "approve", n="ann")
    assert await heard(owned, event) == [say.NOT_YOURS]
    typed = await owned.arrive("yes", n="typed")
    assert await heard(owned, typed) == []
    assert (await waiting.question()).state is QuestionState.OPEN


@pytest.mark.parametrize("step", [Step.TELL_QUESTION, Step.REMIND_QUESTION])
@pytest.mark.parametrize("nth", [1, 2])
async def test_a_crash_between_the_two_conversations_says_nothing_twice(
    owned: World, monkeypatch: pytest.MonkeyPatch, step: Step, nth: int
) -> None:
    waiting = await ask(owned, approval())
    if step is Step.REMIND_QUESTION:
        await waiting.look()
        owned.clock.pass_(seconds=12 * HOUR)
    before = len(await texts(owned, "office"))
    real, seen = owned.app.store.batch, 0

    async def batch(**arguments: object) -> object:
        nonlocal seen
        done = await real(**arguments) if nth == 1 else None  # type: ignore[arg-type]  # passed on as they came
        seen += arguments["step"] is step
        if seen == nth:
            raise RuntimeError("killed")
        return done or await real(**arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(owned.app.store, "batch", batch)
    with pytest.raises(RuntimeError):
        await waiting.look()
    monkeypatch.undo()
    await bells(owned)
    await waiting.look()
    assert len(await texts(owned, "office")) == before + 1
    assert await bells(owned) == 1, "a bell that may have been lost is rung again"


async def test_a_routed_question_reminds_there_and_its_end_is_told_here(owned: World) -> None:
    waiting = await ask(owned, approval())
    await waiting.look()
    before = len(await texts(owned, "office"))
    owned.clock.pass_(seconds=12 * HOUR)
    await waiting.look()
    assert len(await texts(owned, "office")) == before + 1
    owned.clock.pass_(seconds=12 * HOUR)
    await waiting.look()
    assert len(await texts(owned, "office")) == before + 1
    assert await texts(owned) == [say.expired(await waiting.question())]


async def test_a_conversation_that_was_never_written_to_is_made(owned: World) -> None:
    olga = await owned.app.people.recognise(owned.say("", sender="olga"))
    assert olga is not None
    assert olga.home is not None
    elsewhere = olga.home.model_copy(update={"chat": "new"})
    await owned.app.people.change(olga.id, lambda known: known.with_(home=elsewhere))
    waiting = await ask(owned, approval())
    await waiting.look()
    assert len(await texts(owned, "new")) == 1
    assert (await owned.record("new")).address == elsewhere


async def test_while_the_approvers_channel_is_off_it_is_tried_again_until_the_end(owned: World) -> None:
    olga = await owned.app.people.recognise(owned.say("", sender="olga"))
    assert olga is not None
    assert olga.home is not None
    away = olga.home.model_copy(update={"channel": "nowhere"})
    await owned.app.people.change(olga.id, lambda known: known.with_(home=away))
    waiting: Waiting = await ask(owned, approval())
    assert await waiting.look() == owned.in_(300)
    assert not (await waiting.question()).told
    owned.clock.pass_(seconds=24 * HOUR)
    assert await waiting.look() is None
    assert (await waiting.question()).state is QuestionState.EXPIRED

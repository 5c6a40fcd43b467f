"""Answers: who may give them, the first one counts, whatever comes too late or to the wrong place is told so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.access.records import Role
from shared.conversation import questions
from shared.conversation.run_records import GivenAnswer
from shared.conversation.states import EntryState, QuestionState
from shared.messages import EventKind, InboundEvent, StoreUnavailable
from shared.pipeline import words
from shared.pipeline import words_questions as say
from shared.pipeline.webhook import Inbound
from shared.steps import Step
from tests.fakes.questions import (
    ButtonChannel,
    Waiting,
    approval,
    ask,
    choice,
    free,
    given,
    heard,
    press,
    rung,
    uncertain,
)
from tests.fakes.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path, channel=ButtonChannel())
    yield made
    await made.close()


async def again(world: World, event: InboundEvent) -> None:
    """The same event is delivered once more."""
    await world.app.intake.receive(Inbound(event=event).model_dump_json().encode())


# --- buttons --------------------------------------------------------------------------------------------------


async def test_a_press_settles_the_question_and_rings_for_its_run(world: World) -> None:
    waiting = await ask(world, approval())
    event = await press(world, await waiting.question(), "approve")
    question = await waiting.question()
    assert question.state is QuestionState.ANSWERED
    assert given(question) == {"type": "approve"}
    assert question.answer is not None
    assert (question.answer.event, question.answer.words) == (event.id, "approved")
    assert question.wake_at is not None, "a lost bell is mended"
    assert await heard(world, event) == [say.confirmation(question)]
    assert (await world.entry(event)).state is EntryState.CONSUMED
    [bell] = await rung(world)
    assert (bell.conversation, bell.subject) == (waiting.partition.id, (await waiting.stored()).id)
    assert await questions.open_questions(world.app.store, tenant="main", user=question.user) == []


@pytest.mark.parametrize(
    ("asked", "pressed", "value"),
    [
        (approval(), "refuse", {"type": "reject"}),
        (choice("Rome", "Oslo"), "1", {"type": "respond", "message": "Oslo"}),
        (uncertain(), "check", {"type": "check"}),
        (uncertain(), "repeat", {"type": "repeat"}),
        (uncertain(), "drop", {"type": "drop"}),
        (free(), "=yes", {"type": "respond", "message": "yes"}),
    ],
)
async def test_what_each_button_means(world: World, asked: object, pressed: str, value: object) -> None:
    waiting = await ask(world, asked)  # type: ignore[arg-type]  # the cases are Asked
    await press(world, await waiting.question(), pressed)
    assert given(await waiting.question()) == value


async def test_the_question_whether_to_go_on_takes_two_answers(world: World) -> None:
    from shared.conversation.partition import Transaction, question_id

    waiting = await ask(world, approval())
    asking, partition = world.app.asking, waiting.partition
    made = await asking.revision_question(partition=partition, run=waiting.run, event=waiting.event, known=[])
    transaction = Transaction()
    transaction.create(question_id(run=made.run, interrupt=made.interrupt, index=made.index), made)
    await partition.commit(Step.ASK, transaction)
    await world.arrive("go on", n="words")
    settled = [one.record for one in await partition.questions(entry=waiting.run.entry) if one.record.answer]
    assert [given(one) for one in settled] == [{"type": "continue"}]


async def test_a_press_delivered_again_says_the_same_and_rings_again(world: World) -> None:
    waiting = await ask(world, approval())
    event = await press(world, await waiting.question(), "approve")
    assert len(await rung(world)) == 1
    await again(world, event)
    assert len(await rung(world)) == 1
    assert len(await heard(world, event)) == 1


async def test_a_crash_between_answer_and_entry_is_gone_on_from(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = await ask(world, approval())
    real = world.app.store.batch

    async def batch(**arguments: object) -> object:
        if arguments["step"] is Step.ARRIVE:
            raise RuntimeError("killed")
        return await real(**arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(world.app.store, "batch", batch)
    with pytest.raises(RuntimeError):
        await press(world, await waiting.question(), "approve")
    monkeypatch.undo()
    assert (await waiting.question()).state is QuestionState.ANSWERED
    event = await press(world, await waiting.question(), "approve")
    assert await heard(world, event) == [say.confirmation(await waiting.question())]
    assert len(await rung(world)) == 1


async def test_words_from_elsewhere_survive_a_crash_between_answer_and_entry(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = await ask(world, approval(), n="run1")
    real = world.app.store.batch

    async def batch(**arguments: object) -> object:
        if arguments["step"] is Step.ARRIVE:
            raise RuntimeError("killed")
        return await real(**arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(world.app.store, "batch", batch)
    with pytest.raises(RuntimeError):
        await world.arrive("yes", n="words", chat="elsewhere")
    monkeypatch.undo()
    second = await ask(world, approval(), n="run2")
    event = await world.arrive("yes", n="words", chat="elsewhere")
    assert (await waiting.question()).state is QuestionState.ANSWERED
    assert (await second.question()).state is QuestionState.OPEN
    assert await heard(world, event) == [say.confirmation(await waiting.question())]
    assert [bell.subject for bell in await rung(world)] == [(await waiting.stored()).id]


async def test_of_two_clicks_at_once_one_wins_and_both_get_words(world: World) -> None:
    waiting = await ask(world, approval())
    question = await waiting.question()
    first, second = await asyncio.gather(press(world, question, "approve", n=1), press(world, question, "refuse", n=2))
    settled = await waiting.question()
    assert settled.answer is not None
    winner, loser = (first, second) if settled.answer.event == first.id else (second, first)
    assert await heard(world, winner) == [say.confirmation(settled)]
    assert await heard(world, loser) == [f"You already answered that: {settled.answer.words}."]


async def test_a_race_that_is_lost_while_writing_says_who_was_faster(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = await ask(world, approval())
    question = await waiting.question()
    bob = await world.app.people.admit(world.say("", n="bob", chat="b", sender="bob"))
    real = world.app.store.batch
    raced = False

    async def batch(**arguments: object) -> object:
        nonlocal raced
        if arguments["step"] is Step.ANSWER_QUESTION and not raced:
            raced = True
            answer = GivenAnswer(value={"type": "reject"}, words="refused", user=bob.id, at=world.clock.now())
            await waiting.change(state=QuestionState.ANSWERED, answer=answer)
        return await real(**arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(world.app.store, "batch", batch)
    event = await press(world, question, "approve")
    assert await heard(world, event) == ["Bob already answered that: refused."]
    assert given(await waiting.question()) == {"type": "reject"}


async def test_another_write_of_the_question_does_not_cost_the_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = await ask(world, approval())
    question = await waiting.question()
    real = world.app.store.batch
    raced = False

    async def batch(**arguments: object) -> object:
        nonlocal raced
        if arguments["step"] is Step.ANSWER_QUESTION and not raced:
            raced = True
            await waiting.change(remind_at=None)
        return await real(**arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(world.app.store, "batch", batch)
    await press(world, question, "approve")
    settled = await waiting.question()
    assert (settled.state, settled.remind_at) == (QuestionState.ANSWERED, None)


@pytest.mark.parametrize("state", [QuestionState.EXPIRED, QuestionState.CLOSED])
async def test_an_answer_after_the_end_says_so(world: World, state: QuestionState) -> None:
    waiting = await ask(world, approval())
    question = await waiting.question()
    await waiting.change(state=state)
    event = await press(world, question, "approve")
    assert await heard(world, event) == [say.settled(await waiting.question(), by="")]
    assert (await waiting.question()).answer is None
    assert await rung(world) == []


async def test_an_answer_while_its_run_is_being_stopped_changes_nothing(world: World) -> None:
    waiting = await ask(world, approval())
    from shared.conversation.partition import Transaction

    head = await waiting.partition.record()
    assert head is not None
    transaction = Transaction()
    transaction.save(head, head.record.with_(stop_before=waiting.run.entry + 1))
    await waiting.partition.commit(Step.STOP_WORK, transaction)
    event = await press(world, await waiting.question(), "approve", n=1)
    assert await heard(world, event) == [say.CLOSED]
    typed = await world.arrive("yes", n=2)
    assert await heard(world, typed) == [say.CLOSED]
    assert (await waiting.question()).state is QuestionState.OPEN


async def test_someone_elses_question_is_not_answered(world: World, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("praxos").propagate = True
    caplog.set_level(logging.INFO, logger="praxos")
    waiting = await ask(world, approval(), group=True)
    await world.app.people.admit(world.say("", n="bob", sender="bob"))
    for n, sender in enumerate(("bob", "stranger")):
        event = await press(world, await waiting.question(), "approve", n=n, sender=sender, group=True)
        assert await heard(world, event) == [say.NOT_YOURS]
    assert await world.app.people.recognise(world.say("", sender="stranger")) is None
    assert (await waiting.question()).state is QuestionState.OPEN
    assert [line.fields["reason"] for line in caplog.records if line.message == "answer"] == ["not_yours"] * 2


async def test_who_is_blocked_answers_nothing_and_hears_nothing(world: World) -> None:
    waiting = await ask(world, approval())
    await world.app.people.change(waiting.run.user, lambda known: known.with_(role=Role.BLOCKED))
    event = await press(world, await waiting.question(), "approve")
    assert await heard(world, event) == []
    assert (await waiting.question()).state is QuestionState.OPEN


@pytest.mark.parametrize(
    "button",
    [
        *("q:", "q::", "q:abc", "q:abc:approve", f"q:{'x' * 22}:approve", "q:../../../x:approve", "q:TOKEN:"),
        *("q:TOKEN:99", "q:TOKEN:repeat", "q:TOKEN:=free", "q:TOKEN:²", "q:TOKEN:approve:approve"),
    ],
)
async def test_a_button_that_makes_no_sense_is_answered_plainly(world: World, button: str) -> None:
    waiting = await ask(world, approval())
    made = button.replace("TOKEN", (await waiting.question()).token)
    event = await world.arrive("", n="odd", kind=EventKind.PRESS, button=made)
    assert await heard(world, event) == [words.BUTTON_GONE]
    assert (await waiting.question()).state is QuestionState.OPEN


async def test_a_token_whose_question_was_written_with_another_one_leads_nowhere(world: World) -> None:
    waiting = await ask(world, approval())
    question = await waiting.question()
    await waiting.change(token="another-token-of-a-retry")
    event = await press(world, question, "approve")
    assert await heard(world, event) == [words.BUTTON_GONE]


async def test_a_linked_app_is_the_same_person(world: World) -> None:
    waiting = await ask(world, approval())
    other = world.say("", n="other", chat="phone", sender="anna")
    await world.app.people.admit(other)
    waiting_phone = await ask(world, approval(), n="run2", chat="phone", sender="anna")
    ann = await world.app.people.user(waiting.run.user)
    assert ann is not None
    code = await world.app.linking.issue(ann)
    await world.arrive(f"/link {code}", n="link", chat="phone", sender="anna")
    await press(world, await waiting.question(), "approve", n=1, chat="phone", sender="anna")
    assert (await waiting.question()).state is QuestionState.ANSWERED
    event = await world.arrive("yes", n=2, chat="phone", sender="anna")
    assert (await waiting_phone.question()).state is QuestionState.ANSWERED, "a question from before moved along"
    assert await heard(world, event) == [say.confirmation(await waiting_phone.question())]


# --- trouble --------------------------------------------------------------------------------------------------


async def test_a_list_that_stays_behind_is_no_trouble(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = await ask(world, approval())

    async def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr("shared.conversation.questions.take_off", away)
    await press(world, await waiting.question(), "approve")
    assert len(await rung(world)) == 1
    ordinary = await world.arrive("yes", n=2)
    assert (await world.entry(ordinary)).state is EntryState.PENDING, "the question itself says how it stands"


async def test_a_list_is_tidied_where_runs_were_stopped(world: World) -> None:
    waiting = await ask(world, approval())
    await waiting.change(state=QuestionState.CLOSED)
    ordinary = await world.arrive("yes", n=1)
    assert (await world.entry(ordinary)).state is EntryState.PENDING
    assert await questions.open_questions(world.app.store, tenant="main", user=waiting.run.user) == []


async def test_nothing_of_a_question_or_an_answer_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("praxos").propagate = True
    caplog.set_level(logging.DEBUG, logger="praxos")
    waiting: Waiting = await ask(world, free("Your secret?"))
    await world.arrive("xyzzy", n=1)
    assert (await waiting.question()).state is QuestionState.ANSWERED
    logged = " ".join(f"{line.getMessage()} {getattr(line, 'fields', '')}" for line in caplog.records)
    assert "xyzzy" not in logged
    assert "secret" not in logged
    assert (await waiting.question()).token not in logged

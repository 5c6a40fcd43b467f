"""Answers: who may give them, the first one counts, whatever comes too late or to the wrong place is told so."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given as given_
from hypothesis import settings
from hypothesis import strategies as st

from shared.access.records import Role
from shared.conversation import questions
from shared.conversation.run_records import GivenAnswer, QuestionRecord
from shared.conversation.states import EntryState, QuestionState
from shared.messages import Attachment, EventKind, InboundEvent, StoreUnavailable
from shared.pipeline import spoken, words
from shared.pipeline import words_questions as say
from shared.pipeline.edits import WrongEditError, edited
from shared.pipeline.webhook import Inbound
from shared.steps import Step
from shared.tools.schedule import SetReminder
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


def given(question: QuestionRecord) -> dict[str, object]:
    assert question.answer is not None
    return question.answer.value


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


# --- words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", {"type": "approve"}),
        ("Yes!", {"type": "approve"}),
        ("OK", {"type": "approve"}),
        ("yes, please", {"type": "approve"}),
        ("Go ahead.", {"type": "approve"}),
        ("approve", {"type": "approve"}),
        ("no", {"type": "reject"}),
        ("Don’t", {"type": "reject"}),
        ("refuse", {"type": "reject"}),
        ("No, because it is too early", {"type": "reject", "message": "it is too early"}),
        ("no because I need it", {"type": "reject", "message": "I need it"}),
        ("no: keep it", {"type": "reject", "message": "keep it"}),
    ],
)
async def test_words_are_answers(world: World, text: str, value: object) -> None:
    waiting = await ask(world, approval())
    event = await world.arrive(text, n="words")
    assert given(await waiting.question()) == value
    assert await heard(world, event) == [say.confirmation(await waiting.question())]
    assert len(await rung(world)) == 1


@pytest.mark.parametrize(
    "text", ["no-one knows", "no problem", "yes, but only half of it", "What is 2+2?", "repeat", "1"]
)
async def test_other_words_are_ordinary_messages(world: World, text: str) -> None:
    waiting = await ask(world, approval())
    event = await world.arrive(text, n="words")
    assert (await waiting.question()).state is QuestionState.OPEN
    assert (await world.entry(event)).state is EntryState.PENDING


async def test_yes_counts_from_any_conversation_and_without_a_question_it_is_a_message(world: World) -> None:
    waiting = await ask(world, approval())
    event = await world.arrive("yes", n=1, chat="elsewhere")
    assert (await waiting.question()).state is QuestionState.ANSWERED
    assert await heard(world, event) == [say.confirmation(await waiting.question())]
    [bell] = await rung(world)
    assert bell.conversation == waiting.partition.id
    ordinary = await world.arrive("yes", n=2, chat="elsewhere")
    assert (await world.entry(ordinary)).state is EntryState.PENDING


async def test_with_two_open_questions_the_assistant_asks_which(world: World) -> None:
    first = await ask(world, approval(everything=True), n="run1")
    second = await ask(world, approval(query="the door code"), n="run2", chat="other")
    event = await world.arrive("yes", n="words")
    said = await heard(world, event)
    assert said[0] == say.WHICH_ONE
    assert len(said) == 3
    assert any("door code" in text for text in said)
    values = [value for _, value in await offered(world)]
    assert f"q:{(await first.question()).token}:approve" in values
    await world.arrive("", n="press", kind=EventKind.PRESS, button=f"q:{(await second.question()).token}:approve")
    assert (await first.question()).state is QuestionState.OPEN
    assert (await second.question()).state is QuestionState.ANSWERED
    await world.arrive("yes", n="now")
    assert (await first.question()).state is QuestionState.ANSWERED


async def test_words_delivered_again_answer_nothing_else(world: World) -> None:
    await ask(world, approval(), n="run1")
    here = await world.arrive("yes", n="here")
    there = None
    second = await ask(world, approval(), n="run2")
    await again(world, here)
    assert (await second.question()).state is QuestionState.OPEN
    there = await world.arrive("yes", n="there", chat="elsewhere")
    assert (await second.question()).state is QuestionState.ANSWERED
    third = await ask(world, approval(), n="run3")
    await again(world, there)
    assert (await third.question()).state is QuestionState.OPEN


@pytest.mark.parametrize("text", ["2", "oslo", "Oslo.", "number 2", "#2"])
async def test_a_choice_is_made_by_number_or_words_where_it_was_asked(world: World, text: str) -> None:
    waiting = await ask(world, choice("Rome", "Oslo"))
    elsewhere = await world.arrive(text, n=1, chat="elsewhere")
    assert (await world.entry(elsewhere)).state is EntryState.PENDING
    event = await world.arrive(text, n=2)
    assert given(await waiting.question()) == {"type": "respond", "message": "Oslo"}
    assert await heard(world, event) == ["Your choice: Oslo. I go on."]


async def test_the_next_message_answers_a_question_for_text(world: World) -> None:
    waiting = await ask(world, free())
    with_file = await world.arrive("this", n=1, attachments=(Attachment(name="a.txt", media_type="text/plain"),))
    assert (await world.entry(with_file)).state is EntryState.PENDING
    await world.arrive("It is called **Nautilus**", n=2)
    assert given(await waiting.question()) == {"type": "respond", "message": "It is called **Nautilus**"}
    later = await world.arrive("and now?", n=3)
    assert (await world.entry(later)).state is EntryState.PENDING


async def test_in_a_group_only_the_person_who_was_asked_answers(world: World) -> None:
    waiting = await ask(world, free(), group=True)
    event = await world.arrive("hello", n=1, sender="bob", group=True)
    assert (await world.entry(event)).state is EntryState.PENDING
    assert (await waiting.question()).state is QuestionState.OPEN


async def test_yes_with_a_text_question_here_and_an_approval_elsewhere_is_asked_about(world: World) -> None:
    text = await ask(world, free(), n="run1")
    other = await ask(world, approval(), n="run2", chat="other")
    await world.arrive("yes", n="words")
    assert (await text.question()).state is QuestionState.OPEN
    assert (await other.question()).state is QuestionState.OPEN
    assert ("Answer “yes”", f"q:{(await text.question()).token}:=yes") in await offered(world)


async def test_a_text_answer_and_its_entry_are_one_transaction(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = await ask(world, free())
    real = world.app.store.batch
    raced = False

    async def batch(**arguments: object) -> object:
        nonlocal raced
        if arguments["step"] is Step.ARRIVE and not raced:
            raced = True
            await waiting.change(state=QuestionState.EXPIRED)
        return await real(**arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(world.app.store, "batch", batch)
    event = await world.arrive("Nautilus", n=1)
    assert (await waiting.question()).answer is None
    assert (await world.entry(event)).state is EntryState.PENDING, "what came too late is a message"


async def test_an_ordinary_message_costs_no_more_reads(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.arrive("first", n=1)
    reads: list[str] = []
    real_read, real_query = world.app.store.read, world.app.store.query

    async def read(**arguments: object) -> object:
        reads.append(str(arguments["id"]))
        return await real_read(**arguments)  # type: ignore[arg-type]  # passed on as they came

    async def query(**arguments: object) -> object:
        reads.append(str(arguments["kind"]))
        return await real_query(**arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(world.app.store, "read", read)
    monkeypatch.setattr(world.app.store, "query", query)
    await world.arrive("an ordinary message", n=2)
    assert reads == ["record"]


# --- editing --------------------------------------------------------------------------------------------------


async def test_arguments_are_changed_by_name(world: World) -> None:
    waiting = await ask(world, approval("set_reminder", text="tea", at="14:30"))
    event = await world.arrive("edit Text: coffee\nand cake\nat: 15:00", n=1)
    assert given(await waiting.question()) == {
        "type": "edit",
        "edited_action": {"name": "set_reminder", "args": {"text": "coffee\nand cake", "at": "15:00"}},
    }
    assert await heard(world, event) == ["Changed and approved. I go on."]


async def test_arguments_are_changed_by_json_and_coerced_by_the_tools_model(world: World) -> None:
    waiting = await ask(world, approval("set_reminder", text="tea"))
    await world.arrive('edit {"in_minutes": "5"}', n=1)
    answer = given(await waiting.question())
    assert answer["edited_action"] == {"name": "set_reminder", "args": {"text": "tea", "in_minutes": 5.0}}


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        ("edit in_minutes: soon", "in_minutes"),
        ("edit in_minutes: -5", "greater than 0"),
        ("edit when: now", "There is no “when” in it"),
        ('edit {"text": ', "as JSON"),
        ('edit {"text": }', "as JSON"),
    ],
)
async def test_a_change_that_does_not_fit_leaves_the_question_open(world: World, change: str, trouble: str) -> None:
    waiting = await ask(world, approval("set_reminder", text="tea"))
    event = await world.arrive(change, n=1)
    if change.endswith(": "):
        assert (await world.entry(event)).state is EntryState.PENDING, "not even the form of an edit"
        return
    [said] = await heard(world, event)
    assert trouble in said
    assert "still open" in said
    assert (await waiting.question()).state is QuestionState.OPEN
    assert await rung(world) == []


async def test_a_tool_that_is_gone_cannot_be_edited_for(world: World) -> None:
    waiting = await ask(world, approval("launch", target="moon"))
    event = await world.arrive("edit target: mars", n=1)
    assert "do not have that tool" in (await heard(world, event))[0]
    assert (await waiting.question()).state is QuestionState.OPEN


async def test_the_edit_button_says_how_and_shows_what_is_there(world: World) -> None:
    waiting = await ask(world, approval("set_reminder", text="tea", at="14:30"))
    for n, event in enumerate(
        [await press(world, await waiting.question(), "edit", n="press"), await world.arrive("edit", n="words")]
    ):
        [said] = await heard(world, event)
        assert "`edit text: NEW VALUE`" in said, n
        assert "- at: 14:30" in said
    assert (await waiting.question()).state is QuestionState.OPEN


@settings(max_examples=300, deadline=None)
@given_(
    st.one_of(
        st.text(),
        st.text().map("edit {}".format),
        st.text().map("edit text: {}".format),
        st.text().map("no, {}".format),
    )
)
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    heard_ = spoken.read(text)
    if heard_ and heard_.meaning is spoken.Meaning.EDIT and heard_.rest:
        with contextlib.suppress(WrongEditError):
            changed = edited(SetReminder(), {"text": "tea"}, heard_.rest)
            assert SetReminder.arguments.model_validate(changed)
            json.dumps(changed, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "change", ['{"text": "\\ud800"}', '{"text": NaN}', "{" * 5_000 + "}", '{"text": {"a": 1}}', "{1}"]
)
def test_changes_that_nothing_could_keep_are_refused_in_words(change: str) -> None:
    with pytest.raises(WrongEditError):
        edited(SetReminder(), {"text": "tea"}, change)


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

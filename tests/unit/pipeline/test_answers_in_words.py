"""Answers in words: what counts as one, which question is meant, and changing what was proposed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given as given_
from hypothesis import settings
from hypothesis import strategies as st

from shared.conversation.states import EntryState, QuestionState
from shared.messages import Attachment, EventKind, InboundEvent
from shared.pipeline import spoken
from shared.pipeline import words_questions as say
from shared.pipeline.edits import WrongEditError, edited
from shared.pipeline.webhook import Inbound
from shared.steps import Step
from shared.tools.schedule import SetReminder
from tests.fakes.questions import (
    ButtonChannel,
    approval,
    ask,
    choice,
    free,
    given,
    heard,
    offered,
    press,
    rung,
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

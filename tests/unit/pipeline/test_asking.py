"""Asking: a question is understood by a layman, fits every platform, and can be found from its buttons."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from shared.access.people import identity_of
from shared.access.records import Role
from shared.agent.turn import Asked, AskKind
from shared.conversation import questions
from shared.conversation.partition import question_id
from shared.conversation.run_records import QuestionKind
from shared.messages import BUTTON_VALUE_BYTES
from shared.ports import Partition
from tests.fakes.questions import ButtonChannel, approval, ask, choice, free, uncertain
from tests.fakes.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path, channel=ButtonChannel())
    yield made
    await made.close()


async def test_a_question_about_a_tool_call_is_in_the_tools_own_plain_words(world: World) -> None:
    question = await (await ask(world, approval("forget", everything=True))).question()
    message = world.app.asking.message(question)
    assert message.text.startswith("May I forget everything that I remember about you?")
    assert "cannot be undone" in message.text
    assert "`no, because …`" in message.text
    assert [button.label for row in message.buttons for button in row] == ["Approve", "Refuse", "Edit"]
    assert question.about is QuestionKind.APPROVAL
    assert question.what == "forget everything that I remember about you"


async def test_a_call_that_nobody_explains_is_shown_with_its_arguments_shortened(world: World) -> None:
    asked = approval("launch", target="*the* moon\n# now", cargo=["a"], letter="x" * 5_000)
    question = await (await ask(world, asked)).question()
    assert "May I use **launch**?" in question.text
    assert "- target: \\*the\\* moon \\# now" in question.text, "an argument cannot disguise itself as our words"
    assert '- cargo: \\["a"\\]' in question.text
    assert len(question.text) < 600
    assert question.arguments["letter"] == "x" * 5_000


async def test_arguments_that_do_not_fit_their_tool_are_listed(world: World) -> None:
    question = await (await ask(world, approval("forget", everything="perhaps"))).question()
    assert "- everything: perhaps" in question.text


async def test_the_options_of_a_choice_are_numbered_and_get_buttons(world: World) -> None:
    options = [f"Option {'long ' * 30}{n}" for n in range(12)]
    question = await (await ask(world, choice(*options))).question()
    assert "12. Option" in question.text
    rows = world.app.asking.message(question).buttons
    assert len(rows) == 10
    assert all(len(button.label) <= 75 for row in rows for button in row)
    assert rows[9][0].value.endswith(":9")


async def test_a_text_has_no_buttons_and_an_uncertain_effect_has_three(world: World) -> None:
    waiting = await ask(world, free(), uncertain())
    assert world.app.asking.message(await waiting.question(0)).buttons == ()
    message = world.app.asking.message(await waiting.question(1))
    assert [button.label for button in message.buttons[0]] == ["Check", "Repeat", "Leave it"]
    assert "`check`, `repeat` or `leave it`" in message.text


async def test_what_cannot_be_checked_is_not_offered_to_be(world: World) -> None:
    question = await (await ask(world, uncertain(tool="remember"))).question()
    assert [button.label for button in world.app.asking.message(question).buttons[0]] == ["Repeat", "Leave it"]


async def test_every_button_fits_the_smallest_platform_and_no_two_questions_share_a_token(world: World) -> None:
    waiting = await ask(world, approval(), choice(*"abcdefghij"), free(), uncertain())
    made = [one.record for one in await waiting.partition.questions(entry=waiting.run.entry)]
    made.append(
        await world.app.asking.revision_question(
            partition=waiting.partition, run=waiting.run, event=waiting.event, known=[]
        )
    )
    values = [b.value for one in made for row in world.app.asking.message(one).buttons for b in row]
    assert max(len(value.encode()) for value in values) <= BUTTON_VALUE_BYTES
    assert len({one.token for one in made}) == len(made)
    assert all(len(one.token) >= 20 for one in made)


async def test_a_question_is_found_by_its_token_and_on_the_persons_list(world: World) -> None:
    waiting = await ask(world, approval())
    question = await waiting.question()
    pointer = await questions.pointed(world.app.store, tenant="main", token=question.token)
    assert pointer is not None
    assert pointer.conversation == waiting.partition.id
    assert pointer.question == question_id(run=waiting.run.event, interrupt="i1", index=0)
    assert pointer.ttl > 24 * 3600
    [line] = await questions.open_questions(world.app.store, tenant="main", user=question.user)
    assert (line.conversation, line.question) == (pointer.conversation, pointer.question)


async def test_only_new_questions_are_made(world: World) -> None:
    waiting = await ask(world, approval())
    known = await waiting.partition.questions(entry=waiting.run.entry)
    user = await world.app.people.user(waiting.run.user)
    assert user is not None
    again = Asked(
        interrupt="i1", index=1, call="c1", kind=AskKind.UNCERTAIN, tool="forget", arguments={}, text="Again?"
    )
    made = await world.app.asking.prepare(
        partition=waiting.partition,
        run=waiting.run,
        event=waiting.event,
        user=user,
        asked=[approval(), again],
        known=known,
    )
    assert [(one.interrupt, one.index) for one in made] == [("i1", 1)]


async def test_a_reminder_comes_half_way(tmp_path: Path) -> None:
    world = World(tmp_path, channel=ButtonChannel(), PRAXOS_QUESTION_HOURS=2)
    question = await (await ask(world, approval())).question()
    assert question.remind_at == question.asked_at + timedelta(hours=1)
    assert question.expires_at == question.asked_at + timedelta(hours=2)
    await world.close()


async def test_a_changed_assistant_asks_whether_to_go_on(world: World) -> None:
    waiting = await ask(world, approval())
    known = await waiting.partition.questions(entry=waiting.run.entry)
    question = await world.app.asking.revision_question(
        partition=waiting.partition, run=waiting.run, event=waiting.event, known=known
    )
    message = world.app.asking.message(question)
    assert "I was changed since I stopped to wait" in message.text
    assert [button.label for button in message.buttons[0]] == ["Go on", "Drop it"]
    assert (question.interrupt, question.index, question.what) == ("revision", 0, "please")


async def test_questions_are_rendered_by_the_real_channels_with_their_buttons(world: World) -> None:
    from shared.channels.telegram.parts import to_parts
    from shared.channels.web.rendering import to_html

    waiting = await ask(world, approval("launch", url="https://a_b.example/*x*"), choice("Rome & Co.", "<b>Oslo</b>"))
    first, second = [world.app.asking.message(await waiting.question(at)) for at in (0, 1)]
    [part] = to_parts(first)
    assert "• url: https://a_b.example/*x*" in part.text, "values are shown as they are"
    keyboard = part.parameters()["reply_markup"]["inline_keyboard"]
    assert [button["text"] for button in keyboard[0]] == ["Approve", "Refuse", "Edit"]
    assert keyboard[0][0]["callback_data"] == f"q:{(await waiting.question(0)).token}:approve"
    [part] = to_parts(second)
    assert "2. <b>Oslo</b>" in part.text
    assert [row[0]["text"] for row in part.parameters()["reply_markup"]["inline_keyboard"]] == [
        "Rome & Co.",
        "<b>Oslo</b>",
    ]
    assert "&lt;b&gt;Oslo" in to_html(second.text)
    assert "<em>" not in to_html(first.text)


# --- who approves ---------------------------------------------------------------------------------------------


async def owned(tmp_path: Path, *, group: bool = False) -> World:
    world = World(tmp_path, channel=ButtonChannel(), PRAXOS_APPROVER="owner")
    code = await world.app.linking.claim_code()
    await world.arrive(f"/claim {code}", n="claim", chat="office", sender="olga", group=group)
    return world


async def test_approvals_go_to_the_owner_and_the_person_is_told(tmp_path: Path) -> None:
    world = await owned(tmp_path)
    waiting = await ask(world, approval(), choice("a", "b"))
    question = await waiting.question(0)
    olga = await world.app.people.recognise(world.say("", sender="olga"))
    assert olga is not None
    assert question.user == olga.id
    assert question.routed == olga.home
    assert question.routed is not None
    assert question.routed.chat == "office"
    assert not question.told
    assert "**Ann** asked me for something" in question.text
    notice = world.app.asking.notice(question)
    assert notice is not None
    assert notice.text.startswith("I asked Olga whether I may do this: forget everything")
    own = await waiting.question(1)
    assert own.told, "only approvals go elsewhere"
    assert world.app.asking.notice(own) is None
    await world.close()


async def test_the_owner_is_asked_where_they_are(tmp_path: Path) -> None:
    world = await owned(tmp_path)
    question = await (await ask(world, approval(), sender="olga", chat="desk")).question()
    assert question.routed is None
    await world.close()


@pytest.mark.parametrize("case", ["nobody", "no home", "blocked"])
async def test_an_approver_who_cannot_be_reached_leaves_it_to_the_person(
    tmp_path: Path, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    if case == "nobody":
        world = World(tmp_path, channel=ButtonChannel(), PRAXOS_APPROVER="owner")
    else:
        world = await owned(tmp_path, group=case == "no home")
    if case == "blocked":
        olga = await world.app.people.recognise(world.say("", sender="olga"))
        assert olga is not None
        await world.app.people.change(olga.id, lambda known: known.with_(role=Role.BLOCKED))
    logging.getLogger("praxos").propagate = True
    question = await (await ask(world, approval())).question()
    assert question.routed is None
    assert "approver not reached" in caplog.text
    await world.close()


async def test_an_approver_is_named_by_their_identity_and_known_once_they_write(tmp_path: Path) -> None:
    world = World(tmp_path, channel=ButtonChannel(), PRAXOS_APPROVER="fake:olga")
    assert (await (await ask(world, approval(), n="early")).question()).routed is None
    await world.app.people.standing(world.say("hello", n="olga", chat="office", sender="olga"))
    question = await (await ask(world, approval(), n="late", chat="other")).question()
    assert question.routed is not None
    assert question.name == "Olga"
    await world.close()


async def test_where_someone_talks_privately_is_kept_and_groups_do_not_count(world: World) -> None:
    first = world.say("hello", n=1, chat="group", group=True)
    await world.app.people.standing(first)
    user = await world.app.people.recognise(first)
    assert user is not None
    assert user.home is None
    await world.app.people.standing(world.say("hello", n=2, chat="private"))
    user = await world.app.people.recognise(first)
    assert user is not None
    assert user.home is not None
    assert user.home.chat == "private"
    stored = await world.app.store.read(partition=Partition("main", identity_of(first)), id="pointer")
    assert stored is not None

"""Runs that outlive their turn, through the whole pipeline: handed over, killed, asking, steered and stopped."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from shared.pipeline import words_questions
from tests.fakes.telegram import FakeTelegram
from tests.fakes.webhook_receiver import WebhookReceiver, receiving
from tests.pipeline.deployment import Deployment, promised, until
from tests.pipeline.orchestrations import check_replays

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUICK = {"PRAXOS_TURN_SECONDS": "2", "PRAXOS_SEGMENT_SECONDS": "2"}
"""A count to five is one turn and some segments."""
ROLES = ("http", "intake", "turns", "deliveries", "durable", "sweeper")
STATUS = re.compile(r"\d+ of \d+\W*")
LET_ME = "May I forget"
FORGOTTEN = "Everything is forgotten: 1 thing."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with receiving() as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory, receiver: WebhookReceiver) -> AsyncIterator[Deployment]:
    """One host for those tests that leave it alive; at the end everything that it recorded is replayed."""
    async with FakeTelegram() as telegram:
        deployment = Deployment(tmp_path_factory.mktemp("runs"), telegram)
        await deployment.start(**QUICK, PRAXOS_WEBHOOKS=receiver.url)
        yield deployment
        await deployment.end()
        assert "Traceback" not in deployment.log.read_text()
        await check_replays(deployment.home)
        assert telegram.violations == []


@pytest_asyncio.fixture(loop_scope="module")
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    """A host that the test starts, kills and starts again."""
    async with FakeTelegram() as telegram:
        made = Deployment(tmp_path, telegram)
        made.settings.update(QUICK)
        yield made
        await made.end()
        assert await check_replays(made.home), "something was handed over"
        assert telegram.violations == []


def said(deployment: Deployment, text: str, *, chat: int) -> int:
    """How often the bot said something with this text. A message during which the host was killed may come again, labelled."""
    return sum(text in each and "may be a repeat" not in each for each in deployment.texts(chat))


def shown(deployment: Deployment, chat: int) -> list[str]:
    """The texts of the status message, in order."""
    calls = [call for call in deployment.telegram.calls if str(call.parameters.get("chat_id")) == str(chat)]
    return [text for call in calls if STATUS.fullmatch(text := str(call.parameters.get("text", "")))]


async def handed_over(deployment: Deployment, *, chat: int) -> None:
    """Wait until an orchestration goes on with what was said in a chat."""
    await until(
        lambda: any(run["owner"] == "durable" for run in deployment.documents("run", chat=chat)),
        what=lambda: f"a run of chat {chat} is handed over: {deployment.documents('run', chat=chat)}",
    )


async def run_is(deployment: Deployment, state: str, *, chat: int) -> None:
    """Wait until the newest run of a chat is in a state."""
    await until(
        lambda: [run["state"] for run in deployment.documents("run", chat=chat)][-1:] == [state],
        what=lambda: f"{state}: {deployment.documents('run', chat=chat)}",
    )


async def remember(deployment: Deployment, *, chat: int) -> None:
    """Give the assistant something that it can forget."""
    await deployment.say("remember that my cat is called Tom", chat=chat)
    await deployment.heard("Tom", chat=chat)


async def forgot(deployment: Deployment, *, chat: int) -> None:
    """Wait until it was forgotten, and see that this happened once."""
    await deployment.heard(FORGOTTEN, chat=chat)
    await run_is(deployment, "finished", chat=chat)
    effects = [one for one in deployment.documents("effect", chat=chat) if one["tool"] == "forget"]
    assert [(one["state"], one["attempt"]) for one in effects] == [("done", 1)]
    assert said(deployment, FORGOTTEN, chat=chat) == 1


# --- long runs ------------------------------------------------------------------------------------------------


async def test_a_long_run_is_handed_over_shows_what_it_does_and_ends_once(running: Deployment) -> None:
    await running.say("count to 5 slowly", chat=10)
    await handed_over(running, chat=10)
    await running.heard("Counted to 5.", chat=10)
    await run_is(running, "finished", chat=10)
    [run] = running.documents("run", chat=10)
    assert run["segments"] > 1
    assert shown(running, 10), "the person saw how far it was"
    assert said(running, "Counted to 5.", chat=10) == 1
    [message] = [call for call in running.telegram.sent(10) if "Counted" in str(call.parameters["text"])]
    later = [call for call in running.telegram.calls if call.n > message.n and call.parameters.get("chat_id") == 10]
    assert not [call for call in later if call.method in ("sendChatAction", "editMessageText")], (
        "nothing after the reply"
    )


async def test_status_is_told_within_a_second_and_a_message_is_taken_in(running: Deployment) -> None:
    await running.say("count to 6 slowly", chat=11)
    await handed_over(running, chat=11)
    await until(lambda: shown(running, 11), what=lambda: "it says how far it is")
    began = time.monotonic()
    await running.say("/status", chat=11)
    await running.heard("Model: demo", chat=11, seconds=promised(1))
    assert time.monotonic() - began < promised(1)
    [status] = [text for text in running.texts(11) if "Model: demo" in text]
    assert " of 6, for " in status, "what it does, and for how long"
    assert "model call" in status, "and what it has cost"
    await running.say("what is 12*37?", chat=11)
    await running.heard("Counted to 6.", chat=11)
    [reply] = [text for text in running.texts(11) if "Counted to 6." in text]
    assert "444" in reply, "one reply to both"
    assert len(running.documents("run", chat=11)) == 1


async def test_what_a_message_does_meanwhile_is_the_persons_choice(running: Deployment) -> None:
    async def mode(chat: int, name: str, count: int, *texts: str) -> list[str]:
        await running.say(f"/queue {name}", chat=chat)
        await running.heard(f"Done: {name}", chat=chat)
        await running.say(f"count to {count} slowly", chat=chat)
        await handed_over(running, chat=chat)
        for text in texts:
            await running.say(text, chat=chat)
        # Well before the lease would have ended, or the sweeper came: nothing here waits for either.
        await running.heard(texts[-1], chat=chat, seconds=20)
        return [text for text in running.texts(chat) if not text.startswith("Done") and not STATUS.fullmatch(text)]

    followed, collected, interrupted = await asyncio.gather(
        mode(12, "followup", 4, "first words", "second words"),
        mode(13, "collect", 4, "first words", "second words"),
        mode(14, "interrupt", 60, "something else"),
    )
    assert [text.splitlines()[0] for text in followed] == [
        "Counted to 4.", "You said: first words", "You said: second words",
    ]  # fmt: skip
    assert collected[0].startswith("Counted to 4.")
    assert len(collected) == 2, "one reply to all that waited"
    assert "first words" in collected[1]
    assert interrupted[0].startswith("Stopped: “count to 60 slowly”.")
    assert "something else" in interrupted[1]


async def test_stop_is_told_within_two_seconds_and_no_further_step_begins(running: Deployment) -> None:
    await running.say("count to 60 slowly", chat=15)
    await handed_over(running, chat=15)
    await until(lambda: shown(running, 15), what=lambda: "it says how far it is")
    await running.say("/stop", chat=15)
    accepted = time.monotonic()
    await running.heard("Stopped: “count to 60 slowly”.", chat=15, seconds=promised(2))
    assert time.monotonic() - accepted < 2
    assert "Done so far" in running.texts(15)[-1]
    await run_is(running, "stopped", chat=15)
    before = running.documents("run", chat=15), shown(running, 15)
    # Somebody else's steps show that time has passed in which this run could have made some.
    await running.say("count to 2 slowly", chat=16)
    await running.heard("Counted to 2.", chat=16)
    assert (running.documents("run", chat=15), shown(running, 15)) == before
    await running.say("and now?", chat=15)
    await running.heard("and now?", chat=15)


async def test_a_run_that_is_killed_goes_on_and_ends_once(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.say("count to 6 slowly", chat=20)
    await handed_over(deployment, chat=20)
    await until(lambda: shown(deployment, 20), what=lambda: "it says how far it is")
    await deployment.kill()
    [before] = deployment.documents("run", chat=20)
    await deployment.start()
    await until(deployment.leases, seconds=promised(5), what=lambda: "the run goes on")
    await deployment.heard("Counted to 6.", chat=20)
    await run_is(deployment, "finished", chat=20)
    [run] = deployment.documents("run", chat=20)
    assert run["segments"] > before["segments"]
    assert said(deployment, "Counted to 6.", chat=20) == 1


# --- questions ------------------------------------------------------------------------------------------------


async def test_a_question_survives_a_kill_and_its_old_button_works(deployment: Deployment) -> None:
    await deployment.start()
    await remember(deployment, chat=21)
    await deployment.say("forget everything", chat=21)
    approve = await deployment.button("Approve", chat=21)
    await run_is(deployment, "waiting", chat=21)
    await deployment.kill()
    await deployment.start()
    await deployment.press(approve, chat=21)
    await forgot(deployment, chat=21)
    assert said(deployment, LET_ME, chat=21) == 1, "it is not asked again"


async def test_of_two_presses_one_counts_and_the_other_is_told(running: Deployment) -> None:
    await remember(running, chat=22)
    await running.say("forget everything", chat=22)
    approve, refuse = await running.button("Approve", chat=22), await running.button("Refuse", chat=22)
    await asyncio.gather(running.press(approve, chat=22), running.press(refuse, chat=22))
    await running.heard("You already answered that", chat=22)
    await run_is(running, "finished", chat=22)
    [question] = running.documents("question", chat=22)
    assert said(running, "Approved", chat=22) + said(running, "Refused", chat=22) == 1
    effects = [one for one in running.documents("effect", chat=22) if one["tool"] == "forget"]
    assert len(effects) == (question["answer"]["value"]["type"] == "approve")


async def test_a_typed_yes_is_an_answer(running: Deployment) -> None:
    await remember(running, chat=23)
    await running.say("forget everything", chat=23)
    await running.heard(LET_ME, chat=23)
    await running.say("yes", chat=23)
    await running.heard("Approved", chat=23)
    await forgot(running, chat=23)


async def test_a_question_that_waits_holds_up_nothing(running: Deployment) -> None:
    await running.say("ask me which way: left, right", chat=24)
    await running.button("left", chat=24)
    await running.say("what is 12*37?", chat=24)
    await running.heard("444", chat=24)
    [reply] = [text for text in running.texts(24) if "444" in text]
    assert "which way" in reply, "the reply names what is still open"
    await running.say("2", chat=24)
    await running.heard("You answered: right", chat=24)


async def test_a_question_is_answered_from_another_app_of_the_same_person(running: Deployment) -> None:
    await remember(running, chat=25)
    await running.say("/link", chat=25)
    await running.heard("Your code is", chat=25)
    code = running.texts(25)[-1].split("Your code is ")[1][:9]
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"Origin": running.url}) as page:

        async def write(id: str, text: str) -> None:
            async with page.post(f"{running.url}/api/webhooks/web", json={"id": id, "text": text}) as response:
                assert response.status == 200

        async def reads(words: str) -> None:
            async with asyncio.timeout(30):
                while True:
                    async with page.get(f"{running.url}/api/chat/events?after=0") as response:
                        if words in await response.text():
                            return
                    await asyncio.sleep(0.05)

        async with page.get(f"{running.url}/api/chat") as opened:
            assert opened.status == 200
        await write("link", f"/link {code}")
        await reads("this is you")
        await running.say("forget everything", chat=25)
        await running.heard(LET_ME, chat=25)
        await write("yes", "yes")
        await reads("Approved")
    await forgot(running, chat=25)


async def test_who_approves_is_the_owner_in_a_conversation_of_their_own(deployment: Deployment) -> None:
    await deployment.start(PRAXOS_APPROVER="owner", PRAXOS_CLAIM_CODE="AAAA-BBBB-CCCC")
    await _ask_the_owner(deployment, person=26, owner=27)


async def _ask_the_owner(deployment: Deployment, *, person: int, owner: int) -> None:
    await deployment.say("/claim AAAA-BBBB-CCCC", chat=owner)
    await deployment.heard("you are the owner", chat=owner)
    await deployment.say("here I am", chat=owner)
    await deployment.heard("here I am", chat=owner)
    await remember(deployment, chat=person)
    await deployment.say("forget everything", chat=person)
    approve = await deployment.button("Approve", chat=owner)
    await deployment.heard(f"I asked Person {owner}", chat=person)
    assert not deployment.buttons(person), "who may not approve gets no button"
    await deployment.press(approve, chat=person)
    await deployment.heard(words_questions.NOT_YOURS, chat=person)
    assert not [one for one in deployment.documents("effect", chat=person) if one["tool"] == "forget"]
    await deployment.press(approve, chat=owner)
    await deployment.heard("Approved", chat=owner)
    await forgot(deployment, chat=person)


# --- effects --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("chat", "label", "posts"), [(30, "Leave it", 1), (31, "Repeat", 2)])
async def test_a_post_of_which_nobody_knows_whether_it_arrived_is_the_persons_to_decide(
    running: Deployment, receiver: WebhookReceiver, chat: int, label: str, posts: int
) -> None:
    before = len(receiver.requests)
    receiver.drop()
    await running.say(f'post "words of {chat}" to {receiver.url}', chat=chat)
    choice = await running.button(label, chat=chat)
    await running.heard("do not know whether this was done", chat=chat)
    assert f"words of {chat}" in running.texts(chat)[-1], "what it is about, also days later"
    assert len(receiver.requests) == before + 1, "it is not tried again by itself"
    receiver.answer()
    await running.press(choice, chat=chat)
    await run_is(running, "finished", chat=chat)
    assert [one.text for one in receiver.requests[before:]] == [f"words of {chat}"] * posts
    assert len({one.key for one in receiver.requests[before:]}) == 1, "a repeat carries the same key"
    [effect] = [one for one in running.documents("effect", chat=chat) if one["tool"] == "post_webhook"]
    assert effect["state"] == ("done" if posts == 2 else "dropped")


# --- every scale group in a process of its own ----------------------------------------------------------------


async def test_with_a_process_for_each_scale_group(deployment: Deployment) -> None:
    settings = {"PRAXOS_APPROVER": "owner", "PRAXOS_CLAIM_CODE": "AAAA-BBBB-CCCC"}
    await asyncio.gather(*(deployment.start("--role", role, **settings) for role in ROLES))
    await deployment.say("count to 5 slowly", chat=40)
    await _ask_the_owner(deployment, person=41, owner=42)
    await deployment.heard("Counted to 5.", chat=40)
    await run_is(deployment, "finished", chat=40)
    assert deployment.documents("run", chat=40)[0]["owner"] == "durable"
    assert said(deployment, "Counted to 5.", chat=40) == 1

"""A person on Telegram, the whole pipeline, and the deadlines that they are promised."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiohttp import web

from tests.pipeline.deployment import Deployment, promised, until


def said(deployment: Deployment, chat: int) -> list[str]:
    """The first line of each reply: the demo model introduces itself below its first."""
    return [text.splitlines()[0] for text in deployment.texts(chat)]


ROLES = ("http", "intake", "turns", "background", "deliveries", "dead_letters", "schedules", "sweeper")


async def test_a_message_is_answered_and_tools_are_called(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.say("what is 12*37?")
    await deployment.heard("444")


async def test_the_same_update_ten_times_at_once_and_again_after_a_restart(deployment: Deployment) -> None:
    await deployment.start()
    update = deployment.update("hello there, once")
    assert await asyncio.gather(*(deployment.post(update) for _ in range(10))) == [200] * 10
    await deployment.heard("hello there, once")
    # A host that dies between the platform's answer and its own record sends again, and says so: that is another test.
    await until(lambda: deployment.count("part", state="sent") == 1, what=lambda: "the reply is recorded as sent")
    await deployment.kill()
    await deployment.start()
    assert await deployment.post(update) == 200
    await deployment.say("and now this")
    await deployment.heard("and now this")
    assert sum("hello there, once" in text for text in deployment.texts()) == 1
    assert deployment.count("run") == 2


async def test_twenty_conversations_keep_their_order(deployment: Deployment) -> None:
    await deployment.start()

    async def talk(chat: int) -> None:
        for n in range(10):
            await deployment.say(f"text {n}", chat=chat)

    chats = range(100, 120)
    await asyncio.gather(*(talk(chat) for chat in chats))
    for chat in chats:
        await deployment.heard("text 9", chat=chat)
        assert said(deployment, chat) == [f"You said: text {n}" for n in range(10)]


async def test_work_goes_on_within_five_seconds_of_a_kill(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.say("warm up")
    await deployment.heard("warm up")
    for n in range(50):
        await deployment.say(f"text {n}", chat=100 + n)
    await deployment.kill()
    await deployment.start()
    # The first turn loads the agent's libraries under its lease, so a lease of the new process cannot be missed.
    await until(deployment.leases, seconds=promised(5), what=lambda: "a turn goes on")
    for n in range(50):
        await deployment.heard(f"text {n}", chat=100 + n)
    repeated = [text for n in range(50) for text in deployment.texts(100 + n)[1:]]
    assert all("may be a repeat" in text for text in repeated)


async def test_a_reminder_is_told_and_survives_a_kill(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.say("remind me in 0.1 minutes to stretch")
    await deployment.heard("stretch")
    await deployment.kill()
    await deployment.start()
    await deployment.heard("⏰")
    assert deployment.count("reminder", state="done") == 1


async def test_every_scale_group_in_a_process_of_its_own(deployment: Deployment) -> None:
    await asyncio.gather(*(deployment.start("--role", role) for role in (*ROLES, "turns", "deliveries")))
    for n in range(5):
        await deployment.say(f"text {n}")
        await deployment.say(f"text {n}", chat=8)
    for chat in (7, 8):
        await deployment.heard("text 4", chat=chat)
        assert said(deployment, chat) == [f"You said: text {n}" for n in range(5)]
    await deployment.say("remind me in 0.02 minutes to move")
    await deployment.heard("⏰ Reminder: move")


async def test_two_apps_become_one_person(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.say("remember that my cat is called Tom", chat=7)
    await deployment.heard("Tom", chat=7)
    await deployment.say("/link", chat=7)
    await deployment.heard("Your code is", chat=7)
    code = deployment.texts(7)[-1].split("Your code is ")[1][:9]
    await deployment.say(f"/link {code}", chat=8)
    await deployment.heard("this is you", chat=8)
    await deployment.say("what do you remember about my cat", chat=8)
    await deployment.heard("Tom", chat=8)


async def test_who_may_talk_is_a_setting(deployment: Deployment) -> None:
    await deployment.start(PRAXOS_ACCESS="linked", PRAXOS_CLAIM_CODE="AAAA-BBBB-CCCC")
    await deployment.say("hello", chat=9)
    await deployment.heard("private", chat=9)
    await deployment.say("/claim aaaa-bbbb-cccc", chat=7)
    await deployment.heard("you are the owner", chat=7)
    await deployment.say("my text", chat=7)
    await deployment.heard("my text", chat=7)
    assert deployment.count("run", state="finished") == 2, "one refusal, one answer"


@pytest.fixture
async def model() -> object:
    """A model service that the test lets answer, hang or fail."""

    class Service:
        def __init__(self) -> None:
            self.status = 200
            self.hold = asyncio.Event()
            self.hold.set()
            self.calls = 0
            self.url = ""

        async def handle(self, request: web.Request) -> web.Response:
            self.calls += 1
            body = await request.json()
            await self.hold.wait()
            if self.status != 200:
                return web.json_response({"error": {"message": "away"}}, status=self.status)
            last = body["messages"][-1]["content"]
            text = last if isinstance(last, str) else last[-1]["text"]
            return web.json_response(
                {
                    "id": f"c{self.calls}",
                    "object": "chat.completion",
                    "created": 0,
                    "model": "m",
                    "choices": [
                        {
                            "index": 0,
                            "finish_reason": "stop",
                            "message": {"role": "assistant", "content": f"the model read: {text}"},
                        }
                    ],
                    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
                }
            )

    service = Service()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", service.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield service
    service.hold.set()
    await runner.cleanup()


async def test_status_is_answered_within_a_second_while_a_turn_works(deployment: Deployment, model: object) -> None:
    model.hold.clear()
    await deployment.start(PRAXOS_MODEL="openai:m", OPENAI_BASE_URL=model.url)
    await deployment.say("think hard")
    await until(lambda: model.calls, what=lambda: "the model is asked")
    began = time.monotonic()
    await deployment.say("/status")
    await deployment.heard("Model: openai:m", seconds=promised(1))
    assert time.monotonic() - began < promised(1)
    model.hold.set()
    await deployment.heard("think hard")


async def test_while_the_model_is_down_the_person_is_told_once_and_answered_later(
    deployment: Deployment, model: object
) -> None:
    model.status = 503
    await deployment.start(PRAXOS_MODEL="openai:m", OPENAI_BASE_URL=model.url)
    await deployment.say("are you there")
    await deployment.heard("not answering right now")
    await until(lambda: model.calls > 3, what=lambda: "the model is asked again")
    await deployment.say("one more")
    model.status = 200
    await deployment.heard("are you there")
    await deployment.heard("one more")
    assert sum("not answering right now" in text for text in deployment.texts()) == 1
    assert deployment.count("dead_letter") == 0


async def test_progress_is_shown_while_it_works_and_is_gone_afterwards(deployment: Deployment, model: object) -> None:
    model.hold.clear()
    await deployment.start(PRAXOS_MODEL="openai:m", OPENAI_BASE_URL=model.url)
    await deployment.say("take your time")
    await until(lambda: deployment.telegram.called("sendChatAction"), what=lambda: "typing is shown")
    model.hold.set()
    await deployment.heard("take your time")
    actions = deployment.telegram.called("sendChatAction")
    [reply] = [call for call in deployment.telegram.sent(7) if "the model read" in str(call.parameters.get("text"))]
    assert max(action.n for action in actions) < reply.n

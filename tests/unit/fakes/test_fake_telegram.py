"""The fake Bot API finds fault with wrong calls, and misbehaves as it is told."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.fakes import bot_api_specification
from tests.fakes.bot_api_rules import broken
from tests.fakes.telegram import FakeTelegram
from tests.fakes.telegram_updates import TOKEN

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
async def telegram():
    async with FakeTelegram() as telegram:
        yield telegram


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def call(http, telegram, method, **parameters):
    url = telegram if isinstance(telegram, str) else telegram.url
    async with http.post(f"{url}/bot{TOKEN}/{method}", json=parameters) as response:
        return response.status, await response.json(content_type=None)


async def control(http, url, **body):
    async with http.post(f"{url}/control", json=body) as response:
        return response.status


def needs_specification():
    if bot_api_specification.find() is None:
        pytest.skip("no Bot API specification: PRAXOS_PAYLOADS is not set")


@pytest.mark.parametrize(
    ("method", "parameters", "wrong"),
    [
        ("sendMessag", {}, "no such method"),
        ("sendMessage", {"chat_id": 1, "text": "a", "texts": "b"}, "texts is unknown"),
        ("sendMessage", {"text": "a"}, "chat_id is missing"),
        ("sendMessage", {"chat_id": 1.5, "text": "a"}, "instead of"),
        ("sendMessage", {"chat_id": 1, "text": "a", "entities": [{"type": "bold", "offset": 0}]}, "length is missing"),
        ("sendMessage", {"chat_id": 1, "text": "a", "reply_parameters": {"message": 1}}, "unknown"),
        ("sendMessage", {"chat_id": 1, "text": "a", "disable_notification": "true"}, "str instead of Boolean"),
        ("answerCallbackQuery", {"callback_query_id": 5}, "int instead of String"),
    ],
)
async def test_a_call_against_the_specification_is_a_violation(telegram, http, method, parameters, wrong):
    needs_specification()
    await call(http, telegram, method, **parameters)
    assert any(wrong in violation for violation in telegram.violations), telegram.violations


async def test_a_right_call_is_none(telegram, http):
    buttons = [[{"text": "Yes", "callback_data": "y", "style": "primary"}]]
    entities = [{"type": "bold", "offset": 0, "length": 2}, {"type": "text_link", "offset": 0, "length": 2, "url": "x"}]
    status, body = await call(
        http,
        telegram,
        "sendMessage",
        chat_id=77,
        text="😀 hi",
        entities=entities,
        reply_markup={"inline_keyboard": buttons},
    )
    assert (status, body["result"]["chat"]["id"]) == (200, 77)
    assert telegram.violations == []


@pytest.mark.parametrize(
    ("parameters", "wrong"),
    [
        ({"text": ""}, "empty"),
        ({"text": " \n"}, "empty"),
        ({"text": "\ud800"}, "UTF-8"),
        ({"text": "a" * 4097}, "too long"),
        ({"text": "😀" * 2049}, "too long"),
        ({"text": "a", "entities": [{"type": "bold", "offset": 0, "length": 2}]}, "outside"),
        ({"text": "a", "entities": [{"type": "bold", "offset": 0, "length": 0}]}, "outside"),
        ({"text": "😀", "entities": [{"type": "bold", "offset": 0, "length": 1}]}, "cuts a character"),
        ({"text": "a" * 200, "entities": [{"type": "bold", "offset": n, "length": 1} for n in range(101)]}, "100"),
        (
            {"text": "abcd", "entities": [{"type": "bold", "offset": 0, "length": 3}, {"type": "italic", "offset": 2, "length": 2}]},
            "crosses",
        ),
        (
            {"text": "abcd", "entities": [{"type": "bold", "offset": 0, "length": 4}, {"type": "code", "offset": 1, "length": 2}]},
            "inside",
        ),
        ({"text": "a", "reply_markup": {"inline_keyboard": [[{"text": "a", "callback_data": "ä" * 33}]]}}, "BUTTON"),
        ({"text": "a", "reply_markup": {"inline_keyboard": [[{"text": "", "callback_data": "a"}]]}}, "empty"),
        ({"text": "a", "chat_id": "Anna"}, "chat not found"),
    ],
)  # fmt: skip
def test_the_limits_of_a_message(parameters, wrong):
    assert wrong in broken("sendMessage", {"chat_id": 1, **parameters})


def test_the_limits_of_the_rest():
    assert broken("answerCallbackQuery", {"text": "a" * 201})
    assert broken("setMyCommands", {"commands": [{"command": "Help", "description": "a"}]})
    assert broken("setWebhook", {"url": "http://a.example"})
    assert broken("sendDocument", {"chat_id": 1, "caption": "a" * 1025})
    assert not broken("sendMessage", {"chat_id": -1, "text": "😀" * 2048})


async def test_a_held_answer_was_taken_and_a_hanging_one_was_not(telegram, http):
    telegram.fault("hold", times=1)
    telegram.fault("hang", times=1)
    calls = [asyncio.create_task(call(http, telegram, "sendMessage", chat_id=1, text=text)) for text in "ab"]
    await telegram.wait_for(lambda: telegram.waiting == 2)
    assert len(telegram.sent(1)) == 1
    assert [one.status for one in telegram.calls] == [None, None]
    telegram.release()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(one, aiohttp.ClientError) for one in done) == 1


async def test_edits_and_deletions_are_kept_track_of(telegram, http):
    _, sent = await call(http, telegram, "sendMessage", chat_id=1, text="a")
    message = {"chat_id": 1, "message_id": sent["result"]["message_id"]}
    assert (await call(http, telegram, "editMessageText", text="b", **message))[0] == 200
    assert (await call(http, telegram, "editMessageText", text="b", **message))[0] == 400
    assert (await call(http, telegram, "deleteMessage", **message))[0] == 200
    assert (await call(http, telegram, "deleteMessage", **message))[0] == 400
    assert telegram.messages == {}


async def test_another_process_can_drive_it(http):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.telegram", "--no-check", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        url = (await process.stdout.readline()).decode().strip()
        fault = {"kind": "slow_down", "times": 1, "retry_after": 9}
        assert await control(http, url, fault=fault) == 200
        assert await control(http, url, nonsense=1) == 400
        status, body = await call(http, url, "sendMessage", chat_id=1, text="a")
        assert (status, body["parameters"]) == (429, {"retry_after": 9})
        await call(http, url, "sendMessage", chat_id=1, text="b")
        async with http.get(f"{url}/calls?after=1") as response:
            (second,) = await response.json()
        assert (second["n"], second["accepted"], second["status"]) == (2, True, 200)
        assert second["parameters"] == {"chat_id": 1, "text": "b"}
        await control(http, url, reset=True)
        async with http.get(f"{url}/state") as response:
            state = await response.json()
        assert (state["calls"], state["check"]) == (0, False)
    finally:
        os.kill(process.pid, signal.SIGTERM)
        assert await process.wait() == 0

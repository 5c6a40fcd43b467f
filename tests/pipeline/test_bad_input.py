"""What bad input gets: never a 5xx, never a blocked chat, never a queued forgery, and no text in the log."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.fakes import telegram_updates as updates
from tests.fakes.telegram import FakeTelegram
from tests.pipeline.deployment import Deployment, until

MARK = "a text that no log may show"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    """One host for the whole module."""
    folder: Path = tmp_path_factory.mktemp("bad")
    async with FakeTelegram() as telegram:
        deployment = Deployment(folder, telegram)
        await deployment.start()
        yield deployment
        await deployment.end()


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("secret", [None, "", "wrong", updates.SECRET + "x", "ünicode", "x" * 5000])
async def test_a_wrong_secret_is_a_401_and_queues_nothing(running: Deployment, secret: str | None) -> None:
    before = running.count("entry")
    try:
        status = await running.post(running.update(MARK), secret=secret)
    except ValueError:
        pytest.skip("this client cannot even send it")
    assert status in (400, 401)
    assert running.count("entry") == before
    assert not running.texts()


def nested(depth: int) -> bytes:
    return b'{"update_id": 1, "message": ' + b"[" * depth + b"]" * depth + b"}"


BODIES = {
    "empty": b"",
    "not JSON": b"hello",
    "not UTF-8": b"\xff\xfe\x00",
    "a list": b"[1, 2]",
    "a number": b"7",
    "deep": nested(100_000),
    "huge number": b'{"update_id": ' + b"9" * 10_000 + b"}",
    "wrong types": json.dumps({"update_id": "x", "message": 7}).encode(),
    "text is a number": json.dumps(updates.update({**updates.message("x"), "text": 7})).encode(),
    "unknown kind": json.dumps({"update_id": 61, "hologram": {"chat": {"id": 7}}}).encode(),
    "lone surrogate": b'{"update_id": 62, "message": {"message_id": 1, "date": 1, "chat": {"id": 7, "type": "private"},'
    b' "from": {"id": 7, "is_bot": false, "first_name": "A"}, "text": "\\ud83d half"}}',
    "null bytes": json.dumps(updates.update(updates.message("a\x00b"))).encode(),
    "five megabytes": json.dumps(updates.update(updates.message("x" * 5_000_000))).encode(),
    "no chat": json.dumps({"update_id": 63, "message": {"message_id": 1, "date": 1}}).encode(),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_verified_body_never_fails_and_never_blocks(running: Deployment, name: str) -> None:
    status = await running.post(BODIES[name])
    assert 200 <= status < 300, "Telegram would deliver it for a day, and hold back what comes after"
    await running.say(f"after {name}", chat=77)
    await running.heard(f"after {name}", chat=77)


async def test_what_could_not_be_understood_is_kept(running: Deployment) -> None:
    before = running.count("dead_letter")
    await running.post(b"\xff not JSON, and new")
    await until(lambda: running.count("dead_letter") > before, what=lambda: "a dead letter")


async def test_other_methods_paths_and_channels_are_4xx(running: Deployment) -> None:
    for method, path in (
        ("GET", "webhooks/telegram"),
        ("PUT", "webhooks/telegram"),
        ("POST", "webhooks/nothing"),
        ("POST", "webhooks/..%2f..%2fetc"),
        ("GET", "nothing"),
        ("DELETE", "chat"),
    ):
        async with running.http.request(method, f"{running.url}/api/{path}") as response:
            assert 400 <= response.status < 500, (method, path)


async def test_the_log_shows_no_text_no_token_and_no_secret(running: Deployment) -> None:
    await running.say(MARK, chat=90)
    await running.heard(MARK, chat=90)
    await running.post(running.update(MARK), secret="wrong")
    log = running.log.read_text()
    assert MARK not in log
    assert updates.TOKEN not in log
    assert updates.SECRET not in log
    assert "Traceback" not in log

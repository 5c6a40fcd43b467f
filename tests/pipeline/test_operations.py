"""Dead letters over HTTP, through the embedded host: with its key, and never without."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from shared.pipeline import words
from shared.topology import QUEUES
from tests.fakes.host_key import host_key
from tests.fakes.telegram import FakeTelegram
from tests.pipeline.deployment import SOON, Deployment

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "a text that is in no list and in no log"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    """One host for the whole module."""
    folder: Path = tmp_path_factory.mktemp("operations")
    async with FakeTelegram() as telegram:
        deployment = Deployment(folder, telegram)
        await deployment.start()
        yield deployment
        await deployment.end()
        assert telegram.violations == []


async def ask(running: Deployment, method: str, path: str = "", key: str | None = "", **how: Any) -> tuple[int, Any]:
    """Status and answer. No `key`: the host's own."""
    headers = dict(how.pop("headers", {}))
    if key is not None:
        headers["x-functions-key"] = key or await host_key(running.home)
    url = f"{running.url}/api/operations/dead-letters{path}"
    async with running.http.request(method, url, headers=headers, **how) as response:
        body = await response.text()
        return response.status, json.loads(body) if response.content_type == "application/json" else body


async def refused(running: Deployment, chat: int) -> dict[str, Any]:
    """A reply that its chat refuses; the dead letter about it."""
    running.telegram.fault("refuse", method="sendMessage", chat=chat, times=1)
    await running.say(TEXT, chat=chat)
    await running.heard(words.NOT_DELIVERED, chat=chat)
    letters = (await ask(running, "GET"))[1]["letters"]
    [letter] = [each for each in letters if each["conversation"].endswith(f":{chat}")]
    return dict(letter)


@pytest.mark.parametrize("key", [None, "wrong", "ünicode", "x" * 5000])
async def test_without_the_key_nothing_is_shown_and_nothing_is_done(running: Deployment, key: str | None) -> None:
    if not running.count("dead_letter"):
        await refused(running, 30)
    letters = (await ask(running, "GET"))[1]["letters"]
    id = letters[0]["id"]
    for method, path in (("GET", ""), ("GET", f"/{id}"), ("POST", f"/{id}/replay"), ("POST", f"/{id}/discard")):
        status, body = await ask(running, method, path, key)
        assert status == 401, (method, path)
        assert TEXT not in body
        assert id not in body
    assert (await ask(running, "GET"))[1]["letters"] == letters


async def test_a_reply_is_delivered_by_a_replay_and_the_list_shows_no_text(running: Deployment) -> None:
    letter = await refused(running, 31)
    assert (letter["about"], letter["state"], letter["failures"]) == ("part", "open", 1)
    assert TEXT not in json.dumps(letter)
    status, details = await ask(running, "GET", f"/{letter['id']}")
    assert status == 200
    assert TEXT in json.dumps(details["concerned"])
    status, done = await ask(
        running, "POST", f"/{letter['id']}/replay", json={"reason": "unblocked"},
        headers={"X-MS-CLIENT-PRINCIPAL-NAME": "ann@example.org"},
    )  # fmt: skip
    assert (status, done["state"]) == (200, "replayed")
    await running.heard(TEXT, chat=31)
    [action] = (await ask(running, "GET", f"/{letter['id']}"))[1]["actions"]
    assert (action["who"], action["what"], action["note"]) == ("ann@example.org", "replay", "unblocked")
    assert sum(TEXT in text for text in running.texts(31)) == 1
    assert TEXT not in running.log.read_text()


async def test_of_two_replays_at_once_one_is_done_and_the_other_is_told(running: Deployment) -> None:
    letter = await refused(running, 32)
    outcomes = await asyncio.gather(*(ask(running, "POST", f"/{letter['id']}/replay") for _ in range(5)))
    assert sorted(status for status, _ in outcomes) == [200, 409, 409, 409, 409]
    assert all("key holder" in body["error"] for status, body in outcomes if status == 409)
    await running.heard(TEXT, chat=32)
    await running.say("and then", chat=32)
    await running.heard("and then", chat=32)
    assert sum(TEXT in text for text in running.texts(32)) == 1


async def test_a_discarded_one_is_closed(running: Deployment) -> None:
    letter = await refused(running, 33)
    assert (await ask(running, "POST", f"/{letter['id']}/discard"))[1]["state"] == "discarded"
    status, body = await ask(running, "POST", f"/{letter['id']}/replay")
    assert status == 409
    assert "discarded already" in body["error"]
    listed = (await ask(running, "GET", params={"conversation": letter["conversation"]}))[1]["letters"]
    assert [(each["id"], each["state"]) for each in listed] == [(letter["id"], "discarded")]


async def test_what_fails_again_stays_open(running: Deployment) -> None:
    await running.post(b"\xff not JSON, and nobody's")
    letters: list[dict[str, Any]] = []
    async with asyncio.timeout(SOON):
        while not letters:
            letters = [each for each in (await ask(running, "GET"))[1]["letters"] if each["about"] == "event"]
    [letter] = letters
    status, done = await ask(running, "POST", f"/{letter['id']}/replay")
    assert (status, done["state"], done["failures"]) == (200, "open", 2)


@pytest.mark.parametrize(
    ("method", "path", "how", "expected"),
    [
        ("GET", "/dl-nonsense", {}, 404),
        ("POST", "/dl-nonsense/replay", {}, 404),
        ("POST", "/..%2f..%2fetc/discard", {}, 404),
        ("GET", "?limit=0", {}, 400),
        ("GET", "?limit=many", {}, 400),
        ("GET", "?continuation=%00", {}, 400),
        ("GET", "?continuation=nonsense", {}, 404),
        ("POST", "/dl-nonsense/replay", {"data": b"{"}, 400),
        ("POST", "/dl-nonsense/discard", {"json": {"reason": "x" * 501}}, 400),
        ("POST", "/dl-nonsense/discard", {"json": {"force": True}}, 400),
        ("DELETE", "/dl-nonsense", {}, 404),
        ("GET", "/dl-nonsense/replay", {}, 404),
    ],
)
async def test_what_makes_no_sense_is_a_4xx(
    running: Deployment, method: str, path: str, how: dict[str, Any], expected: int
) -> None:
    status, _ = await ask(running, method, path, **how)
    assert status == expected
    assert "Traceback" not in running.log.read_text()


async def test_a_timeline_needs_the_key_and_shows_no_text_unless_asked(running: Deployment) -> None:
    await running.say(TEXT, chat=34)
    await running.heard(TEXT, chat=34)
    letter = await refused(running, 34)
    of = {"of": letter["conversation"]}
    status, body = await ask(running, "GET", "/../timeline", None, params=of)
    assert status == 401
    assert letter["conversation"] not in body
    status, timeline = await ask(running, "GET", "/../timeline", params=of)
    assert (status, timeline["conversation"]) == (200, letter["conversation"])
    assert len(timeline["happened"]) == 2
    assert TEXT not in json.dumps(timeline)
    status, timeline = await ask(running, "GET", "/../timeline", params={**of, "text": "true"})
    assert TEXT in json.dumps(timeline)
    event = timeline["happened"][-1]["event"]
    status, alone = await ask(running, "GET", "/../timeline", params={"of": event, "in": letter["conversation"]})
    assert (status, alone["event"]) == (200, event)
    assert (await ask(running, "GET", "/../timeline"))[0] == 400
    assert (await ask(running, "GET", "/../timeline", params={"of": "nonsense"}))[0] == 404


async def test_the_depths_of_the_queues_need_the_key_and_tell_what_waits(running: Deployment) -> None:
    url = f"{running.url}/api/operations/queues"
    async with running.http.get(url) as response:
        assert response.status == 401
    async with running.http.get(url, headers={"x-functions-key": await host_key(running.home)}) as response:
        assert response.status == 200
        found = {each["queue"]: each for each in (await response.json())["queues"]}
    assert found.keys() == set(QUEUES)
    assert all(each["waiting"] >= 0 and each["counts"] == "messages" for each in found.values())

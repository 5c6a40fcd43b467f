"""What the chat page reads, without a browser: numbers, ends, owners and refusals."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.conversation.partition import ConversationPartition, Transaction
from shared.conversation.records import RECORD, ConversationRecord
from shared.messages import Address, StoreUnavailable
from shared.pipeline.web_chat import PAGE_ITEMS, WebChat
from shared.ports import WebhookRequest, WebhookResponse
from shared.steps import Step
from tests.web.stage import Stage

ADDRESS = Address(tenant="main", channel="web", account="local", chat="terminal")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path, script=False)
    await stage.channel.open()
    yield stage
    await stage.store.close()


def request(stage: Stage, method: str = "GET", body: bytes = b"", token: str = "", **query: str) -> WebhookRequest:
    headers = {"host": "127.0.0.1", "authorization": f"Bearer {token or stage.channel.terminal_token}"}
    return WebhookRequest(method=method, url="http://127.0.0.1/", headers=headers, query=query, body=body)


def read(response: WebhookResponse, status: int = 200) -> Any:
    assert response.status == status
    return json.loads(response.body)


async def events(stage: Stage, **query: str) -> Any:
    return read(await stage.chat.events(request=request(stage, **query)))


async def say(stage: Stage, text: str = "hello") -> None:
    body = json.dumps({"id": f"m{len(stage.heard)}", "text": text}).encode()
    await stage.handle(request(stage, "POST", body))


async def test_nothing_was_said_yet(stage: Stage) -> None:
    assert await events(stage, after="0") == {"items": [], "last": 0, "more": False, "progress": None, "working": False}


async def test_after_a_number_everything_comes_in_order(stage: Stage) -> None:
    await say(stage)
    for number in range(PAGE_ITEMS + 5):
        await stage.reply(f"r{number}")
    first = await events(stage, after="0")
    assert [item["n"] for item in first["items"]] == list(range(1, PAGE_ITEMS + 1))
    assert (first["last"], first["more"]) == (PAGE_ITEMS, True)
    rest = await events(stage, after=str(first["last"]))
    assert [item["n"] for item in rest["items"]] == list(range(PAGE_ITEMS + 1, PAGE_ITEMS + 7))
    assert (rest["last"], rest["more"]) == (PAGE_ITEMS + 6, False)
    assert (await events(stage, after=str(rest["last"])))["items"] == []


async def test_without_a_number_the_latest_come_and_before_them_the_older(stage: Stage) -> None:
    await say(stage)
    for number in range(PAGE_ITEMS + 5):
        await stage.reply(f"r{number}")
    latest = await events(stage)
    assert [item["n"] for item in latest["items"]] == list(range(7, PAGE_ITEMS + 7))
    assert (latest["last"], latest["more"]) == (PAGE_ITEMS + 6, True)
    older = await events(stage, before="7")
    assert [item["n"] for item in older["items"]] == [1, 2, 3, 4, 5, 6]
    assert older["more"] is False


async def test_only_the_persons_own_items_carry_the_pages_id(stage: Stage) -> None:
    await say(stage)
    await stage.reply("r")
    assert [item["id"] for item in (await events(stage))["items"]] == ["m0", ""]


async def test_progress_is_told_while_it_works_and_not_after(stage: Stage) -> None:
    await say(stage)
    await stage.progress("Reading")
    told = await events(stage)
    assert (told["working"], told["progress"]["text"]) == (True, "Reading")
    await stage.reply("done")
    told = await events(stage)
    assert (told["working"], told["progress"]) == (False, None)


async def test_an_arrival_between_two_reads_does_not_look_answered(stage: Stage) -> None:
    await say(stage)
    await stage.reply("done")
    partition = ConversationPartition(store=stage.store, tenant="main", conversation=ADDRESS.conversation)

    class Late:
        """The store, with an entry that arrives right after the record was read for the first time."""

        arrived = False

        async def read(self, *, id: str, **arguments: Any) -> Any:
            found = await stage.store.read(id=id, **arguments)
            if id == RECORD and not self.arrived:
                self.arrived = True
                transaction = Transaction()
                transaction.put(RECORD, ConversationRecord(address=ADDRESS, waiting=1))
                await partition.commit(Step.ARRIVE, transaction)
            return found

        async def query(self, **arguments: Any) -> Any:
            return await stage.store.query(**arguments)

    late: Any = Late()
    chat = WebChat(channel=stage.opened, store=late, files=stage.files, max_file_bytes=1)
    told = read(await chat.events(request=request(stage, after="0")))
    assert told["items"]
    assert told["working"] is True


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "", "٣", "9" * 16])
async def test_what_is_no_number_is_said_to_be_none(stage: Stage, number: str) -> None:
    answer = read(await stage.chat.events(request=request(stage, after=number)), 400)
    assert answer["error"] == "after is a number, 0 or more"


async def test_without_proof_nothing_is_read_or_kept(stage: Stage) -> None:
    stranger = request(stage, token="guessed")
    for answer in (
        await stage.chat.events(request=stranger),
        await stage.chat.upload(request=request(stage, "POST", b"x", token="guessed")),
        await stage.chat.download(request=stranger, id="any"),
    ):
        read(answer, 401)
    assert stage.files.files == {}


async def test_whatever_breaks_while_verifying_counts_as_a_refusal(stage: Stage) -> None:
    def explode(**_: Any) -> Address:
        raise ZeroDivisionError

    stage.channel.address = explode  # type: ignore[method-assign]  # no proof of ours can do that: the test must
    read(await stage.chat.events(request=request(stage)), 401)


async def test_a_store_that_is_away_is_told(stage: Stage) -> None:
    class Away:
        async def read(self, **_: Any) -> None:
            raise StoreUnavailable("away")

    away: Any = Away()
    chat = WebChat(channel=stage.opened, store=away, files=stage.files, max_file_bytes=1)
    read(await chat.events(request=request(stage)), 503)


async def test_a_file_belongs_to_its_conversation(stage: Stage) -> None:
    kept = read(await stage.chat.upload(request=request(stage, "POST", b"mine")), 201)
    assert (kept["name"], kept["size"]) == ("file", 4)
    assert stage.files.files[kept["id"]][0].owner == ADDRESS.conversation
    assert (await stage.chat.download(request=request(stage), id=kept["id"])).body == b"mine"
    other = await stage.files.put(owner="main:web:local:noa", name="n", media_type="a/b", content=b"x", keep=None)  # type: ignore[arg-type]  # kept for good
    for id in (other.id, "unknown", "", "../secrets.json"):
        read(await stage.chat.download(request=request(stage), id=id), 404)


async def test_a_file_that_is_too_large_is_not_kept(stage: Stage) -> None:
    answer = read(await stage.chat.upload(request=request(stage, "POST", b"x" * 1_000_001)), 413)
    assert "1,000,000 bytes" in answer["error"]
    assert stage.files.files == {}


async def test_without_the_channel_there_is_nothing(stage: Stage) -> None:
    async def none(_: str) -> None:
        return None

    chat = WebChat(channel=none, store=stage.store, files=stage.files, max_file_bytes=1)
    assert (await chat.page(request=request(stage))).status == 404
    assert (await chat.asset(request=request(stage), name="chat.js")).status == 404
    assert (await chat.events(request=request(stage))).status == 404

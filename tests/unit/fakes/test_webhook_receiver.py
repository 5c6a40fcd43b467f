"""The fake receiver does what it is told, so that a test which leans on it means something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.fakes.webhook_receiver import WebhookReceiver, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with receiving() as found:
        yield found


async def post(receiver: WebhookReceiver, text: str = "x") -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(receiver.url, json={"text": text}, headers={"Idempotency-Key": f"key {text}"}) as response,
    ):
        return response.status, await response.text()


async def test_it_records_what_it_is_sent(receiver: WebhookReceiver) -> None:
    assert await post(receiver, "one") == (200, "ok")
    await post(receiver, "two")
    posted = await receiver.arrived(2)
    assert [(each.text, each.key, each.path) for each in posted] == [
        ("one", "key one", "/hook"),
        ("two", "key two", "/hook"),
    ]
    assert posted[0].at <= posted[1].at


async def test_it_answers_as_told(receiver: WebhookReceiver) -> None:
    receiver.answer(503, "busy")
    assert await post(receiver) == (503, "busy")


@pytest.mark.parametrize("how", ["drop", "cut"])
async def test_it_breaks_off_after_reading(receiver: WebhookReceiver, how: str) -> None:
    getattr(receiver, how)()
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await post(receiver)
    assert len(await receiver.arrived()) == 1


async def test_it_holds_an_answer_until_it_is_released(receiver: WebhookReceiver) -> None:
    receiver.hold(202, "late")
    waiting = asyncio.create_task(post(receiver))
    await receiver.arrived()
    assert not waiting.done()
    receiver.release()
    assert await waiting == (202, "late")


async def test_it_closes_while_a_request_hangs() -> None:
    async with receiving() as receiver:
        receiver.hang()
        waiting = asyncio.create_task(post(receiver))
        await receiver.arrived()
    assert (await waiting)[0] == 503

"""Answers on the chat page: a click is shown as what it said, and what it came to is there without a reload."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.conversation.states import QuestionState
from shared.ports import WebhookRequest
from shared.steps import Step
from shared.topology import INBOUND, OUTBOUND
from tests.fakes.questions import Waiting, approval, ask
from tests.fakes.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    await made.close()


async def request(world: World, method: str, body: object = None, **query: str) -> WebhookRequest:
    web: Any = await world.app.channel("web")
    headers = {"host": "127.0.0.1", "authorization": f"Bearer {web.terminal_token}"}
    return WebhookRequest(
        method=method, url="http://127.0.0.1/", headers=headers, query=query, body=json.dumps(body).encode()
    )


async def click(world: World, name: str, label: str, value: str) -> None:
    """What the page posts when a button is clicked, through the webhook and intake."""
    posted = await request(world, "POST", {"id": name, "text": label, "button": value})
    assert (await world.app.webhooks.handle(name="web", request=posted)).status == 200
    session = await world.app.broker.accept_session(queue=INBOUND)
    assert session is not None
    [message] = await world.app.broker.receive_session(queue=INBOUND, session=session, limit=1)
    await world.app.intake.receive(message.body)
    await world.app.broker.complete(step=Step.SETTLE_INBOUND, message=message)
    await world.app.broker.release_session(queue=INBOUND, session=session)
    for bell in await world.app.broker.receive(queue=OUTBOUND, limit=10):
        await world.handle(OUTBOUND, bell.body)


async def items(world: World) -> list[tuple[str, str]]:
    shown = json.loads((await world.app.web_chat.events(request=await request(world, "GET", after="0"))).body)
    return [(item["role"], item["text"]) for item in shown["items"]]


async def asked(world: World) -> Waiting:
    event = world.say("please", n="run", chat="terminal", sender="terminal")
    return await ask(world, approval(), event=event.model_copy(update={"channel": "web", "account": "local"}))


async def test_a_click_answers_and_a_late_one_is_told_so(world: World) -> None:
    waiting = await asked(world)
    token = (await waiting.question()).token
    await click(world, "first", "Approve", f"q:{token}:approve")
    assert (await waiting.question()).state is QuestionState.ANSWERED
    await click(world, "second", "Refuse", f"q:{token}:refuse")
    assert await items(world) == [
        ("person", "Approve"),
        ("notice", "Approved: forget everything that I remember about you. I go on."),
        ("person", "Refuse"),
        ("notice", "You already answered that: approved."),
    ]

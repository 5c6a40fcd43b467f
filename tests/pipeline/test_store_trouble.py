"""The whole pipeline on Cosmos DB's protocol while the way to it throttles, refuses, drops, dawdles and halves."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.fakes.cosmos import beside
from tests.fakes.cosmos.front import KEY, Front
from tests.fakes.faulty_proxy import Fault, FaultyProxy
from tests.pipeline.deployment import Deployment, until

CHATS = range(300, 308)
MESSAGES = 4
SHARE = 0.1
"""Of the requests that meet trouble."""
TROUBLE = [fault for fault in Fault if fault is not Fault.NONE]
PATIENCE_SECONDS = 120.0
"""A turn that met trouble is rung again after a pause that doubles."""


@pytest.fixture
async def proxy(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FaultyProxy]:
    """On the way to a front of the deployment's own folder, whatever `--store` says."""
    monkeypatch.setattr(beside, "_chosen", beside.Kind.SQLITE)
    front = Front(deployment.home)
    [url] = await front.start()
    async with FaultyProxy(url).running() as opened:
        yield opened
        await deployment.kill()
    await front.stop()


async def start(deployment: Deployment, proxy: FaultyProxy) -> None:
    cosmos = {"PRAXOS_STORE": "cosmos", "PRAXOS_COSMOS_ENDPOINT": proxy.url, "PRAXOS_COSMOS_KEY": KEY}
    # Who takes a lease and does not hear of it waits for its end.
    await deployment.start(PRAXOS_LEASE_SECONDS="5", **cosmos)


def as_promised(texts: list[str]) -> bool:
    """Each reply is there, in order; a second one of the same says that it may be one.

    So may the first: whoever took a part without hearing that they had cannot tell whether it has left.
    """
    replies = [(re.search(r"You said: text (\d+)", text), "may be a repeat" in text) for text in texts]
    numbers = [int(found[1]) for found, _ in replies if found]
    plain = [int(found[1]) for found, labelled in replies if found and not labelled]
    in_order = numbers == sorted(numbers) and sorted(set(numbers)) == list(range(MESSAGES))
    return in_order and len(numbers) == len(texts) and len(plain) == len(set(plain))


async def test_nothing_is_lost_nothing_done_twice_and_order_kept(deployment: Deployment, proxy: FaultyProxy) -> None:
    await start(deployment, proxy)
    await deployment.say("warm up")
    await deployment.heard("warm up")
    chance = random.Random(7)

    def choose(_: web.Request) -> Fault:
        return chance.choice(TROUBLE) if chance.random() < SHARE else Fault.NONE

    proxy.choose = choose
    for n in range(MESSAGES):
        await asyncio.gather(*(deployment.say(f"text {n}", chat=chat) for chat in CHATS))
    for chat in CHATS:
        await deployment.heard(f"text {MESSAGES - 1}", chat=chat, seconds=PATIENCE_SECONDS)
    proxy.choose = lambda _: Fault.NONE
    for chat in CHATS:
        assert as_promised(deployment.texts(chat)), deployment.texts(chat)
    met = Counter(fault for _, _, fault in proxy.seen)
    assert all(met[fault] for fault in TROUBLE), "the test itself: every kind of trouble was met"
    assert deployment.count("run") == 1 + len(CHATS) * MESSAGES
    await until(
        lambda: deployment.count("part", state="sent") == deployment.count("part"), what=lambda: "every part is settled"
    )
    assert deployment.count("dead_letter") == 0


async def test_while_the_store_is_away_messages_are_taken_and_wait(deployment: Deployment, proxy: FaultyProxy) -> None:
    await start(deployment, proxy)
    await deployment.say("warm up")
    await deployment.heard("warm up")
    proxy.choose = lambda _: Fault.DROPPED_BEFORE
    for n in range(3):
        await deployment.say(f"text {n}")
    asked = len(proxy.seen)
    await until(lambda: len(proxy.seen) > asked + 20, what=lambda: "it is tried again and again")
    proxy.choose = lambda _: Fault.NONE
    await deployment.heard("text 2", seconds=PATIENCE_SECONDS)
    said = [text.partition("\n")[0] for text in deployment.texts()]
    assert said == ["You said: warm up", *(f"You said: text {n}" for n in range(3))]

"""The same conversations with the queues in a real Redis, which several processes share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.telegram import FakeTelegram
from tests.pipeline import test_conversation as conversation
from tests.pipeline import test_traces as traces
from tests.pipeline.deployment import Deployment
from tests.redis_process import RedisProcess


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisProcess]:
    """One that writes down what it takes, as a deployment needs it."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with RedisProcess(folder, "--appendonly", "yes", "--appendfsync", "everysec") as server:
        yield server


@pytest.fixture
async def deployment(tmp_path: Path, telegram: FakeTelegram, server: RedisProcess) -> AsyncIterator[Deployment]:
    """Not started yet; killed at the end."""
    made = Deployment(tmp_path, telegram)
    made.settings["PRAXOS_QUEUE"] = server.address
    yield made
    await made.end()
    assert not (made.home / "queues.db").exists(), "it was the other broker that did it"


test_a_message_is_answered_and_tools_are_called = conversation.test_a_message_is_answered_and_tools_are_called
test_an_update_that_comes_again = conversation.test_the_same_update_ten_times_at_once_and_again_after_a_restart
test_twenty_conversations_keep_their_order = conversation.test_twenty_conversations_keep_their_order
test_work_goes_on_within_five_seconds_of_a_kill = conversation.test_work_goes_on_within_five_seconds_of_a_kill
test_a_run_that_asks_is_one_trace = traces.test_a_run_that_asks_is_one_trace_and_the_answer_is_linked_with_it
test_it_is_one_trace_across_processes = (
    traces.test_it_is_one_trace_across_processes_that_die_between_question_and_answer
)


async def test_a_webhook_is_refused_while_the_queues_are_away_and_taken_again_after(
    deployment: Deployment, server: RedisProcess
) -> None:
    await deployment.start(PRAXOS_REDIS_TIMEOUT_SECONDS="1")
    await deployment.say("before")
    await deployment.heard("You said: before")
    update = deployment.update("meanwhile")
    server.kill()
    assert await deployment.post(update) in (500, 503)
    server.start()
    assert await deployment.post(update) == 200, "as the platform does that got a 5xx"
    await deployment.heard("You said: meanwhile")


async def test_roles_share_nothing_but_the_queues_and_keep_the_order(
    deployment: Deployment, server: RedisProcess
) -> None:
    """The webhook's process dies right after its 2xx: what it took is with Redis, and other processes take it in."""
    await deployment.start("--role", "http")
    await deployment.say("text 0")
    await deployment.kill()
    assert server.ask("EXISTS", "{praxos:main:inbound}:sequence") == ":1"
    roles = ("http", "intake", "intake", "turns", "turns", "deliveries")
    await asyncio.gather(*(deployment.start("--role", role) for role in roles))
    for n in range(1, 6):
        await deployment.say(f"text {n}")
    await deployment.heard("text 5")
    assert conversation.said(deployment, 7) == [f"You said: text {n}" for n in range(6)]

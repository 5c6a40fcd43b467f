"""The tests can fail: each mechanism is switched off in turn, and the scenario that leans on it turns red.

Only test code can switch one off: no setting of the product weakens a guarantee.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shared import ids, topology
from shared.agent.turn import Control, Question
from shared.conversation import mailbox
from shared.conversation.lease import Hold
from shared.conversation.partition import Transaction
from shared.conversation.records import ConversationRecord, Entry
from shared.messages import LeaseLost
from shared.pipeline import turn
from shared.pipeline.sweeper import Sweeper
from shared.pipeline.turn_end import TurnEnd
from shared.ports import WebhookRequest
from shared.queues.sqlite import SqliteBroker
from shared.settings import Sync
from shared.steps import Step
from shared.topology import INBOUND, TURNS
from tests.fakes.channel import FakeChannel
from tests.fakes.world import World

Scenario = Callable[[World], Awaitable[None]]
SwitchOff = Callable[[pytest.MonkeyPatch], None]


async def delivered_twice_is_answered_once(world: World) -> None:
    for _ in range(2):
        await world.arrive("hello")
        await world.settle()
    assert world.texts == ["You said: hello"]


def accept_every_delivery(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(mailbox, "entry_id", lambda event: f"entry:{ids.fresh()}")
    patch.setattr(turn, "run_id", lambda event: f"run:{ids.fresh()}")


async def who_lost_the_lease_takes_no_step(world: World) -> None:
    effects: list[str] = []
    release = asyncio.Event()

    async def script(question: Question, control: Control) -> str:
        mine = f"turn {len(world.assistant.asked)}"
        if len(world.assistant.asked) == 1:
            await release.wait()
            world.clock.ticks += 1
        await control.before_step()
        effects.append(mine)
        return mine

    world.assistant.script = script
    await world.arrive("hello")
    [bell] = await world.app.broker.receive(queue=TURNS, limit=1)
    first = asyncio.create_task(world.handle(TURNS, bell.body))
    await world.assistant.entered.wait()
    # The wall clock jumps, as it does when a machine's time is corrected: only the epoch tells who holds the lease.
    world.clock.at += timedelta(seconds=31)
    other = world.instance()
    await other.turns.answer(world.bell())
    release.set()
    await asyncio.gather(first, return_exceptions=True)
    await other.close()
    assert effects == ["turn 2"]


def ignore_the_epoch(patch: pytest.MonkeyPatch) -> None:
    async def refresh(hold: Hold[ConversationRecord]) -> ConversationRecord:
        found = await hold._load()
        if found is None:
            raise LeaseLost("gone")
        hold.stored = found
        return found.record

    patch.setattr(Hold, "refresh", refresh)


async def what_comes_in_during_a_turn_is_answered(world: World) -> None:
    async def script(question: Question, _: Control) -> str:
        if question.text == "first":
            await world.arrive("second", n=2)
        return question.text

    world.assistant.script = script
    await world.arrive("first", n=1)
    await world.settle()
    assert world.texts == ["first", "second"]


def give_back_whatever_came_in(patch: pytest.MonkeyPatch) -> None:
    def settled(
        self: TurnEnd, hold: Hold[ConversationRecord], record: ConversationRecord, entry: Entry
    ) -> ConversationRecord:
        return hold.given(record, working_since=None, waiting=0, settled=record.entries)

    patch.setattr(TurnEnd, "_settled", settled)


async def a_lost_bell_is_rung_again(world: World) -> None:
    await world.arrive("hello")
    [bell] = await world.app.broker.receive(queue=TURNS, limit=1)
    await world.app.broker.complete(step=Step.SETTLE_TURNS, message=bell)
    await world.pass_(seconds=61)
    assert world.texts == ["You said: hello"]


def sweep_nothing(patch: pytest.MonkeyPatch) -> None:
    async def sweep(_: Sweeper) -> int:
        return 0

    patch.setattr(Sweeper, "sweep", sweep)


def write_no_wake_at(patch: pytest.MonkeyPatch) -> None:
    save_first = Transaction.save_first

    def forgetful(self: Transaction, stored: object, record: ConversationRecord) -> None:
        save_first(self, stored, record.with_(wake_at=None))  # type: ignore[arg-type]  # passed on as it came

    patch.setattr(Transaction, "save_first", forgetful)


async def every_bell_is_heard_where_the_broker_drops_known_ids(world: World) -> None:
    detecting = {
        name: replace(queue, duplicate_detection=timedelta(hours=1)) for name, queue in topology.QUEUES.items()
    }
    broker = SqliteBroker(path=world.home / "detecting.db", sync=Sync.NORMAL, clock=world.clock, queues=detecting)
    world.app.__dict__.update(broker=broker, queue=broker)
    for n in range(3):
        await world.arrive(f"text {n}", n=n)
        await world.settle()
    assert world.texts == [f"You said: text {n}" for n in range(3)]


def ring_with_an_old_id(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ids, "fresh", lambda: "bell")


async def an_unverified_webhook_queues_nothing(world: World) -> None:
    body = json.dumps({"text": "let me in"}).encode()
    request = WebhookRequest(method="POST", url="/", headers={"x-secret": "wrong"}, query={}, body=body)
    answer = await world.app.webhooks.handle(name="fake", request=request)
    assert answer.status == 401
    assert await world.app.broker.accept_session(queue=INBOUND) is None


def verify_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FakeChannel, "verify", lambda self, request: None)


MECHANISMS: dict[str, tuple[Scenario, SwitchOff]] = {
    "create-if-absent in the mailbox": (delivered_twice_is_answered_once, accept_every_delivery),
    "the lease's epoch": (who_lost_the_lease_takes_no_step, ignore_the_epoch),
    "the release that fails when an entry came in": (
        what_comes_in_during_a_turn_is_answered,
        give_back_whatever_came_in,
    ),
    "the sweeper": (a_lost_bell_is_rung_again, sweep_nothing),
    "wake_at": (a_lost_bell_is_rung_again, write_no_wake_at),
    "fresh broker ids": (every_bell_is_heard_where_the_broker_drops_known_ids, ring_with_an_old_id),
    "verification before parsing": (an_unverified_webhook_queues_nothing, verify_nothing),
}


@pytest.mark.parametrize("name", MECHANISMS)
async def test_green_with_the_mechanism_and_red_without(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario, switch_off = MECHANISMS[name]
    world = World(tmp_path / "on")
    await scenario(world)
    await world.close()

    world = World(tmp_path / "off")
    switch_off(monkeypatch)
    with pytest.raises(AssertionError):
        await scenario(world)
    monkeypatch.undo()
    await world.close()

"""Each mechanism that a guarantee rests on is switched off, by test code only: the test that is named for it turns red."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared import ids, topology
from shared.agent.flushes import Flushes
from shared.agent.turn import Control, Given, Pointer, Question
from shared.conversation import lease, partition
from shared.conversation.lease import Hold
from shared.conversation.partition import Stored, Transaction
from shared.conversation.states import LeaseState
from shared.pipeline import turn_work
from shared.pipeline.ledger import StoreLedger
from shared.pipeline.sweeper import Sweeper
from shared.pipeline.turn import Turns
from shared.pipeline.webhook import Webhooks
from shared.ports import Put, WebhookRequest, WebhookResponse
from shared.queues.sqlite import SqliteBroker
from shared.settings import Sync
from shared.topology import INBOUND
from tests.fakes.channel import FakeChannel
from tests.fakes.world import World
from tests.unit.pipeline import test_effects_once, test_intake, test_runs, test_turns

Scenario = Callable[[World], Awaitable[None]]
Switch = Callable[[pytest.MonkeyPatch], None]


# --- scenarios that no other test holds -------------------------------------------------------------------------


async def a_late_holder_gives_nobodys_lease_away(world: World) -> None:
    """The first holder freezes and loses its lease; the second works; the first wakes up and wants to end its turn."""
    first_may_go, second_may_go, second_works = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def script(question: Question, _: Control) -> str:
        if len(world.assistant.asked) == 1:
            await first_may_go.wait()
            raise RuntimeError("the frozen process wakes up, and its turn breaks")
        second_works.set()
        await second_may_go.wait()
        return "taken over"

    world.assistant.script = script
    await world.arrive("hello")
    first = asyncio.create_task(world.app.turns.answer(world.bell()))
    await world.assistant.entered.wait()
    world.clock.pass_(seconds=31)
    other = world.instance()
    second = asyncio.create_task(other.turns.answer(world.bell()))
    await second_works.wait()
    first_may_go.set()
    await asyncio.gather(first, return_exceptions=True)
    held = (await world.record()).lease.state(world.clock.now())
    second_may_go.set()
    await asyncio.gather(second, return_exceptions=True)
    await other.close()
    assert held is LeaseState.HELD, "the first holder gave the second one's lease away"
    await world.settle()
    assert world.texts == ["taken over"]


async def who_lost_the_lease_takes_no_step(world: World) -> None:
    """The wall clock jumps, as it does when a machine's time is set right: only the epoch tells who holds the lease."""
    taken: list[str] = []
    release = asyncio.Event()

    async def script(question: Question, control: Control) -> str:
        name = f"turn {len(world.assistant.asked)}"
        if name == "turn 1":
            await release.wait()
            world.clock.ticks += 1
        await control.before_step()
        taken.append(name)
        return name

    world.assistant.script = script
    await world.arrive("hello")
    first = asyncio.create_task(world.app.turns.answer(world.bell()))
    await world.assistant.entered.wait()
    world.clock.at += timedelta(seconds=31)
    other = world.instance()
    await other.turns.answer(world.bell())
    release.set()
    await asyncio.gather(first, return_exceptions=True)
    await other.close()
    assert taken == ["turn 2"]


async def every_bell_reaches_its_stage_where_the_broker_drops_ids_that_were_used(world: World) -> None:
    """A broker whose every queue has duplicate detection, as an operator may have set it."""
    window = timedelta(hours=1)
    strict = {name: dataclasses.replace(queue, duplicate_detection=window) for name, queue in topology.QUEUES.items()}
    await world.app.broker.close()
    world.app.broker = SqliteBroker(  # type: ignore[misc]  # a cached property, which tests re-wire by assignment
        path=world.home / "strict.db", sync=Sync.NORMAL, clock=world.clock, queues=strict
    )
    for n in range(3):
        await world.arrive(f"text {n}", n=n)
        await world.settle()
    assert world.texts == [f"You said: text {n}" for n in range(3)]


async def what_is_not_verified_is_not_even_read(world: World) -> None:
    """A body that would break a parser, without the proof of where it comes from."""
    request = WebhookRequest(method="POST", url="/", headers={"x-secret": "wrong"}, query={}, body=b"{" * 100_000)
    try:
        answer: WebhookResponse | None = await world.app.webhooks.handle(name="fake", request=request)
    except (ValueError, RecursionError):
        answer = None
    assert answer is not None, "the parser saw a body that nobody had vouched for"
    assert answer.status == 401
    assert await world.app.broker.accept_session(queue=INBOUND) is None


# --- the switches -----------------------------------------------------------------------------------------------


def entries_are_put(patch: pytest.MonkeyPatch) -> None:
    """The mailbox writes an entry whether or not it is there. The run's own id would notice, so that is put too."""
    create, save = Transaction.create, Transaction.save

    def put(self: Transaction, id: str, record: Any) -> None:
        if record.kind == "entry":
            self.operations.append(Put(id, record.model_dump(mode="json", exclude_none=True)))
        else:
            create(self, id, record)

    def put_new(self: Transaction, stored: Stored[Any], record: Any) -> None:
        if record.kind == "run" and not stored.etag:
            self.operations.append(Put(stored.id, record.model_dump(mode="json", exclude_none=True)))
        else:
            save(self, stored, record)

    patch.setattr(Transaction, "create", put)
    patch.setattr(Transaction, "save", put_new)


def the_epoch_stands_still(patch: pytest.MonkeyPatch) -> None:
    """Taking a lease does not raise its epoch, so that holders cannot be told apart."""
    taken = lease.taken

    def same(before: lease.Lease, **arguments: Any) -> lease.Lease:
        return taken(before, **arguments).model_copy(update={"epoch": before.epoch})

    patch.setattr(lease, "taken", same)


def nobody_compares_epochs(patch: pytest.MonkeyPatch) -> None:
    """A holder that reads its record again takes whatever it finds for its own."""

    async def refresh(self: Hold[Any]) -> Any:
        found = await self._load()
        assert found
        self.stored = found
        return found.record

    patch.setattr(Hold, "refresh", refresh)


def the_head_is_put(patch: pytest.MonkeyPatch) -> None:
    """A holder's last write goes through, whatever came in meanwhile."""

    def put(self: Transaction, stored: Stored[Any], record: Any) -> None:
        self.operations.insert(0, Put(stored.id, record.model_dump(mode="json", exclude_none=True)))

    async def attempt(self: Hold[Any], *given: Any) -> Any:
        with pytest.MonkeyPatch.context() as inside:
            inside.setattr(Transaction, "save_first", put)
            return await attempt_as_it_is(self, *given)

    attempt_as_it_is = Hold._attempt
    patch.setattr(Hold, "_attempt", attempt)


def nothing_is_due(patch: pytest.MonkeyPatch) -> None:
    """No document carries a time at which somebody must act."""
    body = partition._body

    def without(record: Any) -> dict[str, Any]:
        return {name: value for name, value in body(record).items() if name not in ("wake_at", "ring")}

    patch.setattr(partition, "_body", without)


def nobody_sweeps(patch: pytest.MonkeyPatch) -> None:
    """The sweeper does nothing."""

    async def sweep(_: Sweeper) -> int:
        return 0

    patch.setattr(Sweeper, "sweep", sweep)


def bells_of_one_id(patch: pytest.MonkeyPatch) -> None:
    """Every bell carries the same id."""
    patch.setattr(ids, "fresh", lambda: "bell")


def parsing_comes_first(patch: pytest.MonkeyPatch) -> None:
    """A webhook is read, and only then verified."""
    handle = Webhooks.handle

    async def parse_first(self: Webhooks, *, name: str, request: WebhookRequest) -> WebhookResponse:
        channel = await self._channel(name)
        assert channel
        channel.parse(request=request, received_at=self._clock.now())
        return await handle(self, name=name, request=request)

    patch.setattr(Webhooks, "handle", parse_first)


def nobody_verifies(patch: pytest.MonkeyPatch) -> None:
    """Every webhook counts as verified."""
    patch.setattr(FakeChannel, "verify", lambda *_, **__: None)


def the_ledger_finds_nothing(patch: pytest.MonkeyPatch) -> None:
    """A call that writes is made without a look at whether it was made before."""

    async def find(_: StoreLedger, *, key: str) -> None:
        return None

    patch.setattr(StoreLedger, "find", find)


def nothing_is_flushed(patch: pytest.MonkeyPatch) -> None:
    """A checkpoint is accepted that nobody has written."""

    async def flush(self: Flushes) -> Pointer:
        return Pointer(thread=self._name, checkpoint=self._held.threads[self._here].checkpoint["id"])

    patch.setattr(Flushes, "flush", flush)


def questions_are_put(patch: pytest.MonkeyPatch) -> None:
    """An answer is written whatever the question has become meanwhile."""
    save = Transaction.save

    def put(self: Transaction, stored: Stored[Any], record: Any) -> None:
        if record.kind == "question":
            self.operations.append(Put(stored.id, record.model_dump(mode="json", exclude_none=True)))
        else:
            save(self, stored, record)

    patch.setattr(Transaction, "save", put)


def answers_are_given_once(patch: pytest.MonkeyPatch) -> None:
    """Whoever goes on with a run after a crash is not told what was answered before it."""
    given, told = turn_work._given, set[tuple[str, int]]()

    def once(answered: Any) -> list[Given]:
        new = [one for one in given(answered) if (one.interrupt, one.index) not in told]
        told.update((one.interrupt, one.index) for one in new)
        return new

    patch.setattr(turn_work, "_given", once)


def orchestrations_come_first(patch: pytest.MonkeyPatch) -> None:
    """A run's orchestration is started, and only then is it written that the run is its own."""
    work_off = Turns._work_off

    async def wake_first(self: Turns, room: Any, hold: Any, work: Any, bell: Any, ends: float) -> None:
        await self._runs.wake(room.partition, work.run.record.event)
        await work_off(self, room, hold, work, bell, ends)

    patch.setattr(Turns, "_work_off", wake_first)


@dataclass(frozen=True)
class Mechanism:
    """What keeps a guarantee, how it is switched off, and the test that must notice."""

    name: str
    off: Switch
    noticed_by: Scenario


MECHANISMS: Sequence[Mechanism] = (
    Mechanism("create if absent in the mailbox", entries_are_put, test_turns.test_a_second_delivery_changes_nothing),
    Mechanism("the lease's epoch", the_epoch_stands_still, a_late_holder_gives_nobodys_lease_away),
    Mechanism("the epoch, looked at before each step", nobody_compares_epochs, who_lost_the_lease_takes_no_step),
    Mechanism(
        "the release that fails when an entry came in",
        the_head_is_put,
        test_turns.test_what_comes_in_while_a_turn_works_is_answered_by_its_holder,
    ),
    Mechanism("wake_at", nothing_is_due, test_turns.test_the_sweeper_mends_a_lost_bell),
    Mechanism("the sweeper", nobody_sweeps, test_turns.test_the_sweeper_mends_a_lost_bell),
    Mechanism(
        "fresh broker ids", bells_of_one_id, every_bell_reaches_its_stage_where_the_broker_drops_ids_that_were_used
    ),
    Mechanism("verification before parsing", parsing_comes_first, what_is_not_verified_is_not_even_read),
    Mechanism(
        "the effects row, looked for before a call",
        the_ledger_finds_nothing,
        test_effects_once.test_a_call_that_left_before_the_process_froze_is_asked_about_and_not_made_again,
    ),
    Mechanism(
        "the flush before a write",
        nothing_is_flushed,
        test_effects_once.test_a_call_that_left_before_the_process_froze_is_asked_about_and_not_made_again,
    ),
    Mechanism(
        "the question's conditional write",
        questions_are_put,
        test_effects_once.test_of_two_first_answers_one_counts_whoever_writes_last,
    ),
    Mechanism(
        "answers that are applied again",
        answers_are_given_once,
        test_effects_once.test_an_answer_is_applied_again_after_a_crash_before_anything_is_asked,
    ),
    Mechanism(
        "the hand-over before the orchestration",
        orchestrations_come_first,
        test_runs.test_the_hand_over_is_written_before_an_orchestration_is_woken,
    ),
    Mechanism("verification", nobody_verifies, test_intake.test_an_unverified_webhook_queues_nothing),
)


@pytest.fixture
def worlds(tmp_path: Path) -> Callable[[], World]:
    """Makes a world on a folder of its own."""
    made = iter(range(100))
    return lambda: World(tmp_path / str(next(made)))


async def run(scenario: Scenario, world: World) -> None:
    try:
        await scenario(world)
    finally:
        await world.close()


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda mechanism: mechanism.name)
async def test_its_test_turns_red_without_it(mechanism: Mechanism, worlds: Callable[[], World]) -> None:
    await run(mechanism.noticed_by, worlds())
    with pytest.MonkeyPatch.context() as patch:
        mechanism.off(patch)
        with pytest.raises(AssertionError):
            await run(mechanism.noticed_by, worlds())
    await run(mechanism.noticed_by, worlds())

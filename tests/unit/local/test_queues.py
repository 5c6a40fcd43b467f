"""Queue functions on the embedded host: settlement, locks, sessions, priority."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from datetime import UTC, datetime

import azure.functions as func
import pytest

from local.session_pump import EARLY_SECONDS
from shared.topology import BACKGROUND, DEAD_LETTER_SUFFIX, INBOUND, OUTBOUND, QUEUES, TURNS
from tests.fakes.clock import START, ManualClock
from tests.unit.local.conftest import HOST_JSON, Start, until, with_locks_of

CONNECTION = "ServiceBusConnection"


class Stage:
    """A function app of one queue function whose body a test can change."""

    def __init__(self, queue: str, *, sessions: bool = False) -> None:
        self.app = func.FunctionApp()
        self.seen: list[func.ServiceBusMessage] = []
        self.at: list[float] = []
        self.running = self.most = 0
        self.body = self.nothing

        @self.app.service_bus_queue_trigger(
            arg_name="message", queue_name=queue, connection=CONNECTION, is_sessions_enabled=sessions
        )
        async def stage(message: func.ServiceBusMessage) -> None:
            self.seen.append(message)
            self.at.append(time.monotonic())
            self.running += 1
            self.most = max(self.most, self.running)
            try:
                await self.body(message)
            finally:
                self.running -= 1

    async def nothing(self, message: func.ServiceBusMessage) -> None:
        pass

    def texts(self) -> list[str]:
        return [message.get_body().decode() for message in self.seen]


async def test_a_message_has_all_its_properties(start: Start) -> None:
    stage = Stage(INBOUND, sessions=True)
    host = await start(stage.app)
    await host.send(INBOUND, "hello", session="s", traceparent="00-1")
    await until(lambda: stage.seen)
    [message] = stage.seen
    assert message.get_body() == b"hello"
    assert (message.message_id, message.session_id, message.delivery_count) == ("m1", "s", 1)
    assert message.application_properties == {"traceparent": "00-1"}
    assert message.lock_token
    assert message.sequence_number
    assert abs((datetime.now(UTC) - message.enqueued_time_utc).total_seconds()) < 10
    assert message.locked_until > message.enqueued_time_utc
    assert message.dead_letter_reason is None


async def test_what_returns_is_completed(start: Start) -> None:
    stage = Stage(TURNS)
    host = await start(stage.app)
    for number in range(100):
        await host.send(TURNS, str(number))
    await until(lambda: len(stage.seen) == 100)
    await host.host.stop()
    await host.broker.wait(queues=[TURNS], timeout=0)
    assert not await host.broker.receive(queue=TURNS, limit=1)
    assert sorted(map(int, stage.texts())) == list(range(100))


async def test_what_raises_comes_again_at_once_and_dies_after_ten(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(TURNS)

    async def fail(message: func.ServiceBusMessage) -> None:
        raise ValueError("a bug")

    stage.body = fail
    host = await start(stage.app)
    begun = time.monotonic()
    with caplog.at_level(logging.CRITICAL, logger="praxos.local"):
        await host.send(TURNS, "poison")
        await until(lambda: len(stage.seen) == 10)
        await host.broker.wait(queues=[TURNS + DEAD_LETTER_SUFFIX], timeout=20)
    assert [message.delivery_count for message in stage.seen] == list(range(1, 11))
    assert time.monotonic() - begun < 5, "far below ten times any pause"
    [dead] = await host.broker.receive(queue=TURNS + DEAD_LETTER_SUFFIX, limit=1)
    assert dead.dead_letter_reason == "MaxDeliveryCountExceeded"


async def test_a_function_reads_a_dead_letter_queue(start: Start) -> None:
    stage = Stage(TURNS + DEAD_LETTER_SUFFIX)
    host = await start(stage.app)
    await host.send(TURNS, "poison")
    [message] = await host.broker.receive(queue=TURNS, limit=1)
    await host.broker.dead_letter(message=message, reason="Malformed", description="no JSON")
    await until(lambda: stage.seen)
    assert (stage.seen[0].dead_letter_reason, stage.seen[0].dead_letter_error_description) == ("Malformed", "no JSON")


async def test_messages_run_side_by_side_up_to_the_limit(start: Start) -> None:
    stage, go = Stage(OUTBOUND), asyncio.Event()

    async def wait(message: func.ServiceBusMessage) -> None:
        await go.wait()

    stage.body = wait
    host = await start(stage.app)
    for number in range(40):
        await host.send(OUTBOUND, str(number))
    limit = HOST_JSON.extensions.service_bus.max_concurrent_calls
    await until(lambda: stage.running == limit)
    assert len(await host.broker.receive(queue=OUTBOUND, limit=40)) == 40 - limit, "no more is locked than runs"
    go.set()
    await until(lambda: len(stage.seen) == limit)
    assert stage.most == limit


async def test_a_lock_is_renewed_while_the_function_runs(start: Start) -> None:
    stage, go = Stage(TURNS), asyncio.Event()

    async def wait(message: func.ServiceBusMessage) -> None:
        await go.wait()

    stage.body = wait
    host = await start(stage.app, queues=with_locks_of(2))
    await host.send(TURNS, "long")
    await until(lambda: stage.seen)
    end = time.monotonic() + 4
    await until(lambda: time.monotonic() > end)
    assert len(stage.seen) == 1, "twice its lock, and nobody else got it"
    go.set()
    await until(lambda: not stage.running)
    await host.host.stop()
    assert not await host.broker.receive(queue=TURNS, limit=1)


@pytest.mark.parametrize(("queue", "session"), [(TURNS, ""), (INBOUND, "s")])
async def test_a_lock_lost_while_the_code_runs_on_refuses_the_completion(
    start: Start, caplog: pytest.LogCaptureFixture, queue: str, session: str
) -> None:
    stage, go = Stage(queue, sessions=bool(session)), asyncio.Event()

    async def first_waits(message: func.ServiceBusMessage) -> None:
        if len(stage.seen) == 1:
            await go.wait()

    stage.body = first_waits
    options = {"serviceBus": {"maxAutoLockRenewalDuration": "00:00:00", "sessionIdleTimeout": "00:00:01"}}
    never_renewed = HOST_JSON.model_validate({"version": "2.0", "extensions": options})
    host = await start(stage.app, host_json=never_renewed, queues=with_locks_of(0.3))
    await host.send(queue, "long", session=session)
    await until(lambda: len(stage.seen) == 2, "the second delivery, while the first still runs")
    assert stage.most == 2 or stage.running == 1
    assert [message.delivery_count for message in stage.seen] == [1, 2]
    with caplog.at_level(logging.WARNING, logger="praxos.local"):
        go.set()
        await until(lambda: "was lost" in caplog.text)
    assert len(stage.seen) == 2


async def test_a_session_is_handled_one_by_one_and_in_order(start: Start) -> None:
    stage, order = Stage(INBOUND, sessions=True), defaultdict(list)
    busy: set[str] = set()

    async def note(message: func.ServiceBusMessage) -> None:
        assert message.session_id not in busy
        busy.add(message.session_id)
        await asyncio.sleep(0)
        order[message.session_id].append(int(message.get_body()))
        busy.discard(message.session_id)
        if message.delivery_count == 1 and len(stage.seen) % 7 == 0:
            order[message.session_id].pop()
            raise ValueError("once in a while")

    stage.body = note
    logging.getLogger("praxos.local").setLevel(logging.CRITICAL)
    first, _ = await start(stage.app), None
    for number in range(120):
        await first.send(INBOUND, str(number // 12), session=f"s{number % 12}")
    await until(lambda: sum(map(len, order.values())) == 120)
    logging.getLogger("praxos.local").setLevel(logging.NOTSET)
    assert len(order) == 12
    assert all(numbers == list(range(10)) for numbers in order.values())
    assert stage.most <= 4, "maxConcurrentSessions"


async def test_a_session_that_is_never_dry_keeps_its_lock(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    stage, clock = Stage(INBOUND, sessions=True), ManualClock()
    host = await start(stage.app, clock=clock)
    for number in range(30):
        await host.send(INBOUND, str(number), session="s")
        await until(lambda: len(stage.seen) == host.sent)
        clock.pass_(seconds=EARLY_SECONDS - 1)
    assert clock.now() - START > 4 * QUEUES[INBOUND].lock_duration
    assert {message.delivery_count for message in stage.seen} == {1}
    assert len({message.lock_token.partition(".")[0] for message in stage.seen}) == 1, "one hold of the session"
    assert "lost" not in caplog.text


async def test_a_slot_is_kept_for_its_idle_time(start: Start) -> None:
    stage = Stage(INBOUND, sessions=True)
    host = await start(stage.app)
    idle = HOST_JSON.extensions.service_bus.session_idle_timeout.total_seconds()
    for name in "abcd":
        await host.send(INBOUND, name, session=name)
    await until(lambda: len(stage.seen) == 4)
    await host.send(INBOUND, "e", session="e")
    await host.send(INBOUND, "a again", session="a")
    await until(lambda: len(stage.seen) == 6)
    assert stage.texts()[4:] == ["a again", "e"], "a held session goes on while another waits for a slot"
    assert stage.at[5] - min(stage.at[:4]) >= idle * 0.95
    assert stage.at[4] - stage.at[3] < idle


async def test_stopping_lets_a_message_finish_and_takes_no_other(start: Start) -> None:
    stage, go = Stage(INBOUND, sessions=True), asyncio.Event()

    async def wait(message: func.ServiceBusMessage) -> None:
        await go.wait()

    stage.body = wait
    host = await start(stage.app)
    await host.send(INBOUND, "a", session="s")
    await host.send(INBOUND, "b", session="s")
    await until(lambda: stage.seen)
    stopping = asyncio.create_task(host.host.stop(seconds=10))
    await asyncio.sleep(0.02)
    go.set()
    await stopping
    assert stage.texts() == ["a"]
    assert await host.broker.accept_session(queue=INBOUND) == "s", "the session was given back"
    [left] = await host.broker.receive_session(queue=INBOUND, session="s", limit=5)
    assert (left.body, left.delivery_count) == (b"b", 1)


async def test_what_does_not_end_in_time_is_cut_off_and_comes_again(start: Start) -> None:
    stage = Stage(TURNS)

    async def for_ever(message: func.ServiceBusMessage) -> None:
        await asyncio.Event().wait()

    stage.body = for_ever
    host = await start(stage.app)
    await host.send(TURNS, "a")
    await until(lambda: stage.seen)
    await host.host.stop(seconds=0.05)
    [again] = await host.broker.receive(queue=TURNS, limit=1)
    assert again.delivery_count == 2


async def test_work_that_nobody_waits_for_waits_itself(start: Start) -> None:
    """While a turn works, background messages trickle; in its pauses they flow."""
    stage, go = Stage(TURNS), asyncio.Event()
    done: list[float] = []

    async def wait(message: func.ServiceBusMessage) -> None:
        await go.wait()

    stage.body = wait

    @stage.app.service_bus_queue_trigger(arg_name="message", queue_name=BACKGROUND, connection=CONNECTION)
    async def background(message: func.ServiceBusMessage) -> None:
        done.append(time.monotonic())

    host = await start(stage.app)
    await host.send(TURNS, "a turn")
    await until(lambda: stage.running)
    for number in range(200):
        await host.send(BACKGROUND, str(number))
    await until(lambda: len(done) >= 2, "background work, which must not starve")
    assert len(done) <= 3
    assert done[1] - done[0] > 0.5
    go.set()
    begun = time.monotonic()
    await until(lambda: len(done) == 200)
    assert time.monotonic() - begun < 5


async def test_background_messages_that_wait_for_something_do_not_hold_up_each_other(start: Start) -> None:
    stage, go = Stage(BACKGROUND), asyncio.Event()

    async def wait(message: func.ServiceBusMessage) -> None:
        await go.wait()

    stage.body = wait
    host = await start(stage.app)
    for number in range(3):
        await host.send(BACKGROUND, str(number))
    await until(lambda: stage.running == 3)
    go.set()

"""Whatever is done to them in whatever order: the broker on a Redis answers as the one on a file does."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.messages import Conflict, PraxosError
from shared.ports import Broker, QueueMessage, Received
from shared.queues.redis import RedisBroker
from shared.queues.redis_settings import RedisSettings
from shared.queues.sqlite import FILE, SqliteBroker
from shared.settings import Sync
from shared.steps import Step
from shared.topology import DEAD_LETTER_SUFFIX, INBOUND, TURNS
from tests.fakes.clock import ManualClock
from tests.redis_process import RedisProcess

QUEUES = (TURNS, INBOUND)
DEAD = tuple(queue + DEAD_LETTER_SUFFIX for queue in QUEUES)
SESSIONS = ("s", "t", "ü")
CLIENT, LATEST = st.integers(0, 1), st.integers(1, 3)
DELAYS = st.sampled_from([0, 0, 0, -1, 45, 90])
SETTLING = st.sampled_from(["complete", "complete", "abandon", "abandon", "dead_letter", "renew"])

SEND = st.tuples(
    *(st.just("send"), CLIENT, st.sampled_from(QUEUES), st.integers(0, 99), st.sampled_from(SESSIONS), DELAYS)
)
RECEIVE = st.tuples(st.just("receive"), CLIENT, st.sampled_from((TURNS, TURNS, *DEAD)), st.integers(1, 3))
ACCEPT = st.tuples(st.just("accept"), CLIENT)
RECEIVE_SESSION = st.tuples(st.just("receive_session"), CLIENT, LATEST, st.integers(1, 3))
RELEASE = st.tuples(st.just("release"), CLIENT, LATEST)
SETTLE = st.tuples(SETTLING, CLIENT, LATEST)
PASS = st.tuples(st.just("pass"), st.sampled_from([1, 1, 29, 60, 3600]))
OFTEN = (SEND, SEND, SEND, RECEIVE, ACCEPT, RECEIVE_SESSION, RECEIVE_SESSION, SETTLE, SETTLE, SETTLE)
WORK = st.lists(st.one_of(*OFTEN, *OFTEN, RELEASE, PASS), min_size=30, max_size=90)


class Side:
    """Two clients of one kind of broker, and the messages that they have seen."""

    def __init__(self, clients: Sequence[Broker], clock: ManualClock) -> None:
        self.clients = clients
        self.clock = clock
        self.seen: list[Received] = []
        self.accepted: list[str] = []

    async def do(self, work: tuple[Any, ...]) -> object:
        """What came of it, in words that do not depend on the broker."""
        name, *rest = work
        if name == "pass":
            self.clock.pass_(seconds=rest[0])
            return None
        try:
            return await getattr(self, f"_{name}", self._settle(name))(self.clients[rest[0]], *rest[1:])
        except PraxosError as error:
            return type(error).__name__

    async def _send(self, client: Broker, queue: str, number: int, session: str, delay: int) -> None:
        at = self.clock.now() + timedelta(seconds=delay) if delay else None
        message = QueueMessage(
            body=f"{number}{session}{delay}".encode(), id=f"id-{number}", session=session, enqueue_at=at
        )
        await client.send(step=Step.ENQUEUE, queue=queue, messages=[message])

    async def _receive(self, client: Broker, queue: str, limit: int) -> object:
        # Which of several dead letters comes first is nobody's promise.
        return self._note(await client.receive(queue=queue, limit=100 if queue in DEAD else limit), sort=queue in DEAD)

    async def _accept(self, client: Broker) -> object:
        session = await client.accept_session(queue=INBOUND)
        self.accepted += [session] if session else []
        return session

    async def _receive_session(self, client: Broker, latest: int, limit: int) -> object:
        session = "".join(self.accepted[-latest:][:1])
        try:
            return self._note(await client.receive_session(queue=INBOUND, session=session, limit=limit))
        except Conflict:
            # Where there is nothing new, the one on a file does not look whether its session was lost.
            return []

    async def _release(self, client: Broker, latest: int) -> None:
        await client.release_session(queue=INBOUND, session="".join(self.accepted[-latest:][:1]))

    def _settle(self, name: str) -> Callable[..., Awaitable[object]]:
        more: dict[str, Any] = {
            "complete": {"step": Step.SETTLE_TURNS},
            "dead_letter": {"reason": "because", "description": "so"},
        }

        async def settle(client: Broker, latest: int) -> object:
            if not self.seen:
                return "nothing"
            return await getattr(client, name)(message=self.seen[-latest:][0], **more.get(name, {}))

        return settle

    def _note(self, messages: Sequence[Received], *, sort: bool = False) -> object:
        said = [
            (
                *(
                    each.queue,
                    each.body,
                    each.id,
                    each.session,
                    each.delivery_count,
                    each.locked_until,
                    each.enqueued_at,
                ),
                *(each.dead_letter_reason, each.dead_letter_description),
            )
            for each in messages
        ]
        ordered = (
            sorted(zip(said, messages, strict=True), key=lambda pair: pair[0])
            if sort
            else zip(said, messages, strict=True)
        )
        pairs = list(ordered)
        self.seen += [message for _, message in pairs]
        return [words for words, _ in pairs]


async def agree(works: Sequence[tuple[Any, ...]], server: RedisProcess, folder: Path) -> None:
    clocks = ManualClock(), ManualClock()
    prefix = uuid.uuid4().hex
    file = Side([SqliteBroker(path=folder / FILE, sync=Sync.NORMAL, clock=clocks[0]) for _ in range(2)], clocks[0])
    redis = Side(
        [
            RedisBroker(
                address=server.address,
                prefix=prefix,
                sync=Sync.NORMAL,
                settings=RedisSettings(),
                clock=clocks[1],
                server_time=False,
            )
            for _ in range(2)
        ],
        clocks[1],
    )
    try:
        for number, work in enumerate(works):
            assert await file.do(work) == await redis.do(work), f"{number}: {work}"
    finally:
        for client in (*file.clients, *redis.clients):
            await client.close()


@given(works=WORK)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_they_agree(works: list[tuple[Any, ...]], redis_server: RedisProcess) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(agree(works, redis_server, Path(folder)))

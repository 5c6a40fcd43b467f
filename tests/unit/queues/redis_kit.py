"""Places on a real Redis, another process that holds locks, and what the tests of the Redis broker do with them."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from shared.clock import SystemClock
from shared.ports import Clock, QueueMessage
from shared.queues.redis import RedisBroker
from shared.queues.redis_settings import RedisSettings
from shared.settings import Sync
from shared.steps import Step
from shared.topology import INBOUND, TURNS
from tests.redis_process import RedisProcess

AOF = ("--appendonly", "yes", "--appendfsync", "always")
"""What a deployment needs: nothing that was taken is lost with the server."""
ROOT = Path(__file__).resolve().parents[3]
LONG = 30.0
PROMISED = 5.0
"""How soon a restarted host goes on with what was locked when it was killed."""
SHORT = 0.5
"""A time-out that a test waits for."""

HOLDER = """
import asyncio, sys
from shared.clock import SystemClock
from shared.messages import Conflict
from shared.queues.redis import RedisBroker
from shared.queues.redis_settings import RedisSettings
from shared.settings import Sync
from shared.steps import Step

async def main():
    settings = RedisSettings(holder_seconds=float(sys.argv[3]))
    broker = RedisBroker(
        address=sys.argv[1], prefix=sys.argv[2], sync=Sync.NORMAL, settings=settings, clock=SystemClock()
    )
    session = await broker.accept_session(queue="inbound")
    in_session = await broker.receive_session(queue="inbound", session=session, limit=1)
    messages = await broker.receive(queue="turns", limit=1)
    print(len(in_session), len(messages), flush=True)
    await broker.wait(queues=["background"], timeout=60)
    print(len(await broker.receive(queue="background", limit=10)), flush=True)
    for message in (*in_session, *messages):
        try:
            await broker.complete(step=Step.SETTLE_TURNS, message=message)
        except Conflict:
            print("lost", flush=True)

asyncio.run(main())
"""


@dataclass
class Place:
    """Keys of its own on a server, and the brokers that a test has opened on them."""

    server: RedisProcess
    prefix: str
    opened: list[RedisBroker] = field(default_factory=list)

    def open(
        self,
        *,
        address: str = "",
        clock: Clock | None = None,
        server_time: bool = True,
        sync: Sync = Sync.NORMAL,
        **settings: float,
    ) -> RedisBroker:
        broker = RedisBroker(
            address=address or self.server.address,
            prefix=self.prefix,
            sync=sync,
            settings=RedisSettings.model_validate(settings),
            clock=clock or SystemClock(),
            server_time=server_time,
        )
        self.opened.append(broker)
        return broker

    async def close(self) -> None:
        for broker in self.opened:
            await broker.close()


@contextlib.asynccontextmanager
async def own_place(folder: Path, *options: str) -> AsyncIterator[Place]:
    """On a server that the test may kill."""
    with RedisProcess(folder, *options) as server:
        made = Place(server, "own")
        try:
            yield made
        finally:
            await made.close()


@contextlib.asynccontextmanager
async def holder(place: Place, *, seconds: float) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process that has locked a message in a session and one without, and waits for a third."""
    await send(place.open(), INBOUND, "a", session="s")
    await send(place.open(), TURNS, "a")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, place.server.address, place.prefix, str(seconds)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert await line_of(process) == "1 1"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout
    return (await asyncio.wait_for(process.stdout.readline(), LONG)).decode().strip()


async def send(broker: RedisBroker, queue: str, id: str, session: str = "") -> None:
    message = QueueMessage(body=id.encode(), id=id, session=session)
    await broker.send(step=Step.ENQUEUE, queue=queue, messages=[message])


async def both(broker: RedisBroker) -> tuple[int, int]:
    """The delivery counts of the two messages, 0 for one that is locked."""
    session = await broker.accept_session(queue=INBOUND)
    in_session = await broker.receive_session(queue=INBOUND, session=session, limit=1) if session else ()
    plain = await broker.receive(queue=TURNS, limit=1)
    return in_session[0].delivery_count if in_session else 0, plain[0].delivery_count if plain else 0


async def both_come_free(broker: RedisBroker, seconds: float) -> None:
    """Well before the locks end, and while this broker only waits. Raises AssertionError when they do not."""
    assert await both(broker) == (0, 0)
    try:
        async with asyncio.timeout(seconds):
            await broker.wait(queues=[TURNS], timeout=LONG)
            await broker.wait(queues=[INBOUND], timeout=LONG)
    except TimeoutError:
        raise AssertionError(f"the locks of a process that is gone stand after {seconds:g} s") from None
    assert await both(broker) == (2, 2)


def later(id: str, seconds: float) -> QueueMessage:
    return QueueMessage(body=id.encode(), id=id, enqueue_at=SystemClock().now() + timedelta(seconds=seconds))


def texts(messages: object) -> list[str]:
    return [message.body.decode() for message in messages]  # type: ignore[attr-defined]

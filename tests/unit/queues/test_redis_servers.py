"""The Redis broker and servers that die, freeze, are full, say no, or keep less than is asked of them."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.messages import QueueUnavailable, SettingError
from shared.queues.redis import RedisBroker
from shared.queues.redis_settings import RedisSettings
from shared.settings import Sync
from shared.steps import Step
from shared.topology import BACKGROUND, INBOUND, TURNS
from tests.fakes.certificates import Certificate
from tests.fakes.ports import free_port
from tests.unit.queues.redis_kit import (
    AOF,
    LONG,
    SHORT,
    later,
    own_place,
    send,
    texts,
)


async def test_a_server_that_was_killed_comes_back_with_everything(tmp_path: Path) -> None:
    await comes_back_with_everything(tmp_path, options=AOF)


async def comes_back_with_everything(folder: Path, *, options: tuple[str, ...]) -> None:
    async with own_place(folder, *options) as place:
        broker = place.open(holder_seconds=LONG)
        await broker.send(step=Step.RING_TURN, queue=TURNS, messages=[later("later", 1)])
        for id in ("locked", "free"):
            await send(broker, TURNS, id)
            await send(broker, INBOUND, id, session="s")
        session = await broker.accept_session(queue=INBOUND)
        assert session == "s"
        locked = [*await broker.receive(queue=TURNS, limit=1)]
        locked += await broker.receive_session(queue=INBOUND, session=session, limit=1)

        await asyncio.to_thread(place.server.kill)
        await asyncio.to_thread(place.server.start)

        assert texts(await broker.receive(queue=TURNS, limit=1)) == ["free"], "lost with the server"
        for message in locked:
            await broker.complete(step=Step.SETTLE_TURNS, message=message)
        await send(broker, INBOUND, "free", session="s")  # its id was used before
        assert texts(await broker.receive_session(queue=INBOUND, session=session, limit=9)) == ["free"]
        async with asyncio.timeout(LONG):
            while not (due := await broker.receive(queue=TURNS, limit=9, timeout=LONG)):
                pass
        assert texts(due) == ["later"]


async def test_a_server_that_is_away_is_said_and_heals(tmp_path: Path) -> None:
    async with own_place(tmp_path, *AOF) as place:
        broker = place.open(timeout_seconds=SHORT)
        await send(broker, TURNS, "before")
        waiting = asyncio.create_task(broker.wait(queues=[BACKGROUND], timeout=LONG))
        await asyncio.wait({waiting}, timeout=0.1)
        await asyncio.to_thread(place.server.kill)
        await asyncio.wait_for(waiting, LONG / 2)  # so that it can say so to whoever looks now
        for call in (
            send(broker, TURNS, "while away"),
            broker.receive(queue=TURNS, limit=1, timeout=LONG),
            broker.accept_session(queue=INBOUND),
            broker.wait(queues=[TURNS], timeout=LONG),
            broker.examine(),
        ):
            with pytest.raises(QueueUnavailable, match="PRAXOS_QUEUE"):
                await asyncio.wait_for(call, LONG / 2)
        await asyncio.to_thread(place.server.start)
        await send(broker, TURNS, "after")
        assert texts(await broker.receive(queue=TURNS, limit=9, timeout=LONG)) == ["before", "after"]
        assert await place.open().accept_session(queue=INBOUND) is None


async def test_a_session_that_could_not_be_given_back_is_as_soon_as_the_server_is_there(tmp_path: Path) -> None:
    async with own_place(tmp_path, *AOF) as place:
        broker = place.open(timeout_seconds=SHORT, holder_seconds=LONG)
        await send(broker, INBOUND, "a", session="s")
        assert await broker.accept_session(queue=INBOUND) == "s"
        await asyncio.to_thread(place.server.kill)
        with pytest.raises(QueueUnavailable):
            await broker.release_session(queue=INBOUND, session="s")
        await asyncio.to_thread(place.server.start)
        assert await broker.accept_session(queue=INBOUND) == "s"


async def test_a_server_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    async with own_place(tmp_path) as place:
        broker = place.open(timeout_seconds=SHORT)
        await send(broker, TURNS, "before")
        place.server.signal(signal.SIGSTOP)
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(QueueUnavailable):
            await send(broker, TURNS, "while frozen")
        assert loop.time() - began < LONG / 2
        place.server.signal(signal.SIGCONT)
        await send(broker, TURNS, "after")
        # The one in between may have arrived: its sender was told that nobody knows.
        found = texts(await broker.receive(queue=TURNS, limit=9))
        assert [text for text in found if text != "while frozen"] == ["before", "after"]


async def test_a_server_that_is_full_takes_nothing_and_says_so(tmp_path: Path) -> None:
    async with own_place(tmp_path) as place:
        broker = place.open()
        await send(broker, TURNS, "before")
        place.server.ask("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(QueueUnavailable, match="OOM|maxmemory"):
            await send(broker, TURNS, "while full")
        place.server.ask("CONFIG", "SET", "maxmemory", "0")
        await send(broker, TURNS, "after")
        assert texts(await broker.receive(queue=TURNS, limit=9)) == ["before", "after"]


async def test_a_unix_socket_and_tls_are_addresses_too(tmp_path: Path, certificate: Certificate) -> None:
    key, trusted = certificate.key, certificate.certificate
    port, path = free_port(), tmp_path / "socket"
    tls = ("--tls-port", str(port), "--tls-cert-file", str(trusted), "--tls-key-file", str(key))
    options = (*tls, "--tls-ca-cert-file", str(trusted), "--tls-auth-clients", "no", "--unixsocket", str(path))
    async with own_place(tmp_path, *options) as place:
        addresses = (f"unix://{path}", f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={trusted}")
        one, other = (place.open(address=address) for address in addresses)
        receiving = asyncio.create_task(one.receive(queue=TURNS, limit=1, timeout=LONG))
        await send(other, TURNS, "a")
        assert texts(await asyncio.wait_for(receiving, LONG / 2)) == ["a"]
        with pytest.raises(QueueUnavailable, match="(?i)certificate"):
            await send(place.open(address=f"rediss://127.0.0.1:{port}/0"), TURNS, "b")


async def test_a_wrong_password_is_said(tmp_path: Path) -> None:
    async with own_place(tmp_path) as place:
        place.server.ask("CONFIG", "SET", "requirepass", "open sesame")
        with pytest.raises(QueueUnavailable, match="(?i)auth"):
            await send(place.open(), TURNS, "a")


@pytest.mark.parametrize("address", ["redis://user:hidden@host:no-port", "http://hidden", "sqlite"])
def test_what_is_no_address_is_said_without_its_password(address: str) -> None:
    with pytest.raises(SettingError, match="PRAXOS_QUEUE") as raised:
        RedisBroker(address=address, prefix="p", sync=Sync.NORMAL, settings=RedisSettings(), clock=SystemClock())
    assert "hidden" not in str(raised.value)


# --- PRAXOS_SYNC=full


async def test_full_sync_is_refused_where_the_server_cannot_give_it(tmp_path: Path) -> None:
    async with own_place(tmp_path, "--appendonly", "yes", "--appendfsync", "everysec") as place:
        broker = place.open(sync=Sync.FULL)
        for _ in range(2):
            with pytest.raises(SettingError, match="appendfsync always"):
                await send(broker, TURNS, "a")
        place.server.ask("CONFIG", "SET", "appendfsync", "always")
        await send(broker, TURNS, "b")
        assert texts(await broker.receive(queue=TURNS, limit=9)) == ["b"]


async def test_full_sync_works_but_is_doubted_where_the_server_tells_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with own_place(tmp_path, "--rename-command", "CONFIG", "") as place:
        broker = place.open(sync=Sync.FULL)
        await send(broker, TURNS, "a")
        await send(broker, TURNS, "b")
        assert [record.message for record in caplog.records if "PRAXOS_SYNC=full" in record.message] != []
        assert any("cannot be known" in remark.text for remark in await broker.examine())

"""Who waits for which queue: woken by an event in this process, by a datagram from another one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from typing import Any

_LOOPBACK = "127.0.0.1"
_DATAGRAM = 1200
"""Bytes that certainly fit one datagram; what does not fit is found by the receiver's own slow poll."""


def key(queue: str, session: str = "") -> str:
    """What is waited for: a queue, or one session of it."""
    return f"{queue}\n{session}" if session else queue


class Wakeups(asyncio.DatagramProtocol):
    """The waiters of one broker or engine. A wake-up says that there may be something; whoever wakes looks."""

    def __init__(self) -> None:
        self._waiters: dict[str, set[asyncio.Future[bool]]] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._sender: socket.socket | None = None

    async def listen(self) -> int:
        """Take datagrams on a free loopback port; return it."""
        if self._transport is None:
            loop = asyncio.get_running_loop()
            self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(_LOOPBACK, 0))
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Another process sent something."""
        self.wake(data.decode("utf-8", "replace").split("\0"))

    def waiting(self) -> list[str]:
        """The keys that somebody waits for."""
        return list(self._waiters)

    def wake(self, keys: Iterable[str]) -> None:
        """Wake whoever waits for one of the keys; for a session that nobody waits for, whoever waits for its queue."""
        for one in keys:
            for waiter in self._waiters.get(one) or self._waiters.get(one.partition("\n")[0]) or ():
                _release(waiter, True)

    def tell(self, ports: Sequence[int], keys: Sequence[str]) -> None:
        """Wake the waiters of other processes; best effort."""
        if self._sender is None:
            self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._sender.setblocking(False)
        data = "\0".join(keys).encode("utf-8", "replace")
        if len(data) > _DATAGRAM:
            data = "\0".join({one.partition("\n")[0] for one in keys}).encode()
        for port in ports:
            try:
                self._sender.sendto(data, (_LOOPBACK, port))
            except OSError:
                continue

    async def wait(self, keys: Sequence[str], timeout: float) -> bool:
        """Return True when one of the keys is woken, False after `timeout` seconds."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_later(max(0.0, timeout), _release, waiter, False)
        for one in keys:
            self._waiters.setdefault(one, set()).add(waiter)
        try:
            return await waiter
        finally:
            timer.cancel()
            for one in keys:
                self._waiters[one].discard(waiter)
                if not self._waiters[one]:
                    del self._waiters[one]

    def close(self) -> None:
        """Stop listening and let every waiter go."""
        self.wake(self.waiting())
        if self._transport:
            self._transport.close()
        if self._sender:
            self._sender.close()


def _release(waiter: asyncio.Future[bool], woken: bool) -> None:
    if not waiter.done():
        waiter.set_result(woken)

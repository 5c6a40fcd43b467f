"""The Redis server: one client with bounded time-outs, the scripts that decide, and what the server's errors mean."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import exceptions
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from shared.messages import QueueUnavailable, SettingError

CONNECTIONS = 32
"""The most calls of one process at a time; one more connection hears the wake-ups."""
_LUA = Path(__file__).parent / "redis_lua"
_PARTS = {"beat": "void", "leave": "void", "send": ""}
"""What a script needs beside `common`; most need `locks`."""
_SILENT = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.RedisClusterException)
_PASSING = (
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
    exceptions.ClusterDownError,
    exceptions.TryAgainError,
    exceptions.NoPermissionError,
    exceptions.AuthenticationWrongNumberOfArgsError,
)
_PASSING_WORDS = ("MISCONF", "NOREPLICAS", "BUSY", "Protocol error: unauthenticated")


@contextmanager
def answered() -> Iterator[None]:
    """Turn every way in which a server does not do what it is asked into QueueUnavailable; a script's bug is raised."""
    try:
        yield
    except (*_SILENT, OSError) as error:
        raise QueueUnavailable(f"Redis does not answer (PRAXOS_QUEUE): {error}") from error
    except exceptions.ResponseError as error:
        if isinstance(error, _PASSING) or str(error).startswith(_PASSING_WORDS):
            raise QueueUnavailable(f"Redis refuses (PRAXOS_QUEUE): {error}") from error
        raise


class RedisServer:
    """Connects on first use, and again after every loss. Nothing is repeated by itself: whoever called knows better."""

    def __init__(self, *, address: str, timeout: float, cluster: bool) -> None:
        """Raises SettingError where the address is none; its text, with the password in it, is not repeated."""
        try:
            self._client = _client(address, timeout, cluster)
        except (ValueError, TypeError, exceptions.RedisClusterException):
            form = "redis://USER:PASSWORD@HOST:PORT" + ("" if cluster else "/DB, unix:///PATH") + " or rediss://…"
            raise SettingError(
                f"PRAXOS_QUEUE is no address of a Redis{' Cluster' if cluster else ''}: {form}"
            ) from None
        self.cluster = cluster
        self._timeout = timeout
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._scripts: dict[str, tuple[str, str]] = {}

    async def run(self, name: str, *arguments: str | bytes | float) -> Any:
        """Run a script: the queue's key, then its arguments. Raises QueueUnavailable."""
        source, digest = self._script(name)
        with answered():
            try:
                return await self._execute("EVALSHA", digest, 1, *arguments)
            except exceptions.NoScriptError:  # the first time, and after a restart of the server: EVAL loads it
                return await self._execute("EVAL", source, 1, *arguments)

    def _script(self, name: str) -> tuple[str, str]:
        if name not in self._scripts:
            parts = ("common", _PARTS.get(name, "locks"), name)
            source = "".join((_LUA / f"{part}.lua").read_text() for part in parts if part)
            self._scripts[name] = source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        return self._scripts[name]

    async def ask(self, *command: str) -> Any:
        """Run a plain command. Raises QueueUnavailable, or redis's ResponseError where it is not to be had."""
        with answered():
            return await self._execute(*command)

    async def _execute(self, *command: str | bytes | float) -> Any:
        async with asyncio.timeout(self._timeout):
            await self._free.acquire()
        try:
            return await (await self._connected()).execute_command(*command)
        finally:
            self._free.release()

    async def _connected(self) -> Redis | RedisCluster:
        if isinstance(self._client, RedisCluster):
            # Before that it does not know where a key is, and asks any node.
            await self._client.initialize()  # type: ignore[unused-awaitable]  # it returns itself, which can be awaited
        return self._client

    async def listener(self) -> PubSub:
        """A connection of its own that hears channels; a cluster tells every node what is published on one."""
        return (await self._connected()).pubsub()

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def _client(address: str, timeout: float, cluster: bool) -> Redis | RedisCluster:
    options: dict[str, Any] = {
        "max_connections": CONNECTIONS + 1,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        # A repeated send would be sent twice.
        "retry": Retry(NoBackoff(), 0),
        # With RESP3, redis-py does not notice that the server has closed a connection of the pool.
        "protocol": 2,
    }
    if cluster:
        # Otherwise a slot that moved closes the connections of the calls beside the one that finds out.
        return RedisCluster.from_url(address, reinitialize_steps=0, **options)
    return Redis.from_url(address, **options)

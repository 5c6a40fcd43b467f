"""A small cache inside the process: bounded, each value for a time, each loaded once however many ask at once.

For reading only. What decides about permissions is asked for with the version that the caller has just read in the
store: a value that was kept under another version is loaded again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from shared.ports.clock import Clock

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[V]):
    value: V
    version: str
    until: float
    weight: int


@dataclass(slots=True)
class _Loading(Generic[V]):
    task: asyncio.Task[V]
    waiting: int = 0


class Cache(Generic[V]):
    """Values by key. What was used longest ago makes room."""

    def __init__(
        self,
        *,
        clock: Clock,
        seconds: Callable[[V], float],
        most: int,
        weight: Callable[[V], int] = lambda _: 1,
    ) -> None:
        """`seconds`: how long a value is kept. `most`: what all that is kept weighs at most."""
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._weight = weight
        self._kept: OrderedDict[str, _Kept[V]] = OrderedDict()
        self._loading: dict[tuple[str, str], _Loading[V]] = {}
        self._held = 0

    @property
    def held(self) -> int:
        """What is kept weighs this much."""
        return self._held

    async def get(self, key: str, load: Callable[[], Awaitable[V]], *, version: str = "") -> V:
        """The value of a key as of a version, loaded where it is not kept. What `load` raises is kept for nobody."""
        kept = self._kept.get(key)
        if kept and kept.version == version and kept.until > self._clock.monotonic():
            self._kept.move_to_end(key)
            return kept.value
        loading = self._loading.get((key, version))
        if loading is None:
            task = asyncio.get_running_loop().create_task(self._load(key, version, load))
            task.add_done_callback(_seen)
            loading = self._loading[key, version] = _Loading(task)
        return await self._wait(key, version, loading)

    def forget(self, key: str) -> None:
        """Drop a value; one that is being loaded now is kept for nobody who asks from now on."""
        self._drop(key)
        for loading in [each for each in self._loading if each[0] == key]:
            del self._loading[loading]

    async def _wait(self, key: str, version: str, loading: _Loading[V]) -> V:
        """Wait for a value with others: who is cancelled leaves, and the last one to leave ends the loading."""
        loading.waiting += 1
        try:
            return await asyncio.shield(loading.task)
        finally:
            loading.waiting -= 1
            if not loading.waiting and not loading.task.done():
                self._ended(key, version, loading.task)
                loading.task.cancel()

    async def _load(self, key: str, version: str, load: Callable[[], Awaitable[V]]) -> V:
        task = asyncio.current_task()
        try:
            value = await load()
        except BaseException:
            self._ended(key, version, task)
            raise
        if self._ended(key, version, task):
            self._keep(key, version, value)
        return value

    def _ended(self, key: str, version: str, task: asyncio.Task[V] | None) -> bool:
        """Whether this loading was the current one of its key until now: another one may have taken its place."""
        current = self._loading.get((key, version))
        if current is None or current.task is not task:
            return False
        del self._loading[key, version]
        return True

    def _keep(self, key: str, version: str, value: V) -> None:
        self._drop(key)
        weight = self._weight(value)
        until = self._clock.monotonic() + self._seconds(value)
        self._kept[key] = _Kept(value, version, until, weight)
        self._held += weight
        while self._held > self._most:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept:
            self._held -= kept.weight


def _seen(task: asyncio.Task[V]) -> None:
    """Nobody may be waiting any more: then its error is nobody's."""
    if not task.cancelled():
        task.exception()

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
        self._loading: dict[tuple[str, str], asyncio.Task[V]] = {}
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
        task = self._loading.get((key, version))
        if task is None:
            task = asyncio.get_running_loop().create_task(self._load(key, version, load))
            self._loading[key, version] = task
            task.add_done_callback(_seen)
        return await asyncio.shield(task)  # one of several that wait may be cancelled

    def forget(self, key: str) -> None:
        """Drop a value; one that is being loaded now is kept for nobody who asks from now on."""
        self._drop(key)
        for loading in [each for each in self._loading if each[0] == key]:
            del self._loading[loading]

    async def _load(self, key: str, version: str, load: Callable[[], Awaitable[V]]) -> V:
        task = asyncio.current_task()
        try:
            value = await load()
            if self._loading.get((key, version)) is task:
                self._keep(key, version, value)
            return value
        finally:
            if self._loading.get((key, version)) is task:
                del self._loading[key, version]

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

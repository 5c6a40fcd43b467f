"""Runs episodes and activities of a file's instances. Nothing about an instance is kept in memory between episodes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from local.durable import episodes
from local.durable.functions import DurableFunctions, quiet_library
from local.durable.records import Activity, Episode, Lock
from local.durable.storage import ACTIVITIES, EPISODES, DurableStorage
from local.tasks import settle_tasks
from shared import telemetry
from shared.messages import Conflict, Transient
from shared.steps import Step

TROUBLE_SECONDS = 1.0
"""How long the engine stands back after the file, or its own code, failed."""

_log = telemetry.logger("local.durable")


class _Pump:
    """Takes one kind of work, as much at a time as it may, and has it done."""

    def __init__(self, *, kind: str, limit: int, storage: DurableStorage, work: Callable[[], Awaitable[bool]]) -> None:
        self._kind = kind
        self._limit = limit
        self._storage = storage
        self._begin = work
        self.running: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()

    def add(self, task: asyncio.Task[None]) -> None:
        """Count a piece of work as running until it ends."""
        self.running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.running.discard(task)
        self._room.set()
        if not task.cancelled() and (error := task.exception()):
            _log.error("one of the %s was not finished", self._kind, exc_info=error)

    async def run(self) -> None:
        """Take work for ever."""
        while True:
            try:
                await self._take()
            except Transient as error:
                _log.warning("no %s can be taken: %s", self._kind, error)
                await asyncio.sleep(TROUBLE_SECONDS)
            except Exception:  # noqa: BLE001  a bug must not end the engine
                _log.exception("taking %s failed", self._kind)
                await asyncio.sleep(TROUBLE_SECONDS)

    async def _take(self) -> None:
        while len(self.running) >= self._limit:
            self._room.clear()
            await self._room.wait()
        if not await self._begin():
            await self._storage.wait(kind=self._kind)


class DurableEngine:
    """The worker side of one process. Its locks are renewed as long as it works on what they hold."""

    def __init__(
        self,
        *,
        storage: DurableStorage,
        functions: DurableFunctions,
        concurrent_orchestrators: int,
        concurrent_activities: int,
    ) -> None:
        self._storage = storage
        self._functions = functions
        self._held: set[Lock] = set()
        self._renewing: asyncio.Task[None] | None = None
        self._loops: set[asyncio.Task[None]] = set()
        self._episodes = _Pump(kind=EPISODES, limit=concurrent_orchestrators, storage=storage, work=self._begin_episode)
        self._activities = _Pump(
            kind=ACTIVITIES, limit=concurrent_activities, storage=storage, work=self._begin_activity
        )

    def start(self) -> None:
        """Begin to work."""
        quiet_library()
        loop = asyncio.get_running_loop()
        self._loops = {loop.create_task(pump.run()) for pump in (self._episodes, self._activities)}

    async def stop(self, *, seconds: float) -> None:
        """Take nothing more, let what runs finish for so many seconds, then give it back undone."""
        await settle_tasks(self._loops, seconds=0)
        await settle_tasks(self._episodes.running | self._activities.running, seconds=seconds)
        if self._renewing:
            await settle_tasks({self._renewing}, seconds=0)

    # --- episodes

    async def _begin_episode(self) -> bool:
        episode = await self._storage.next_episode()
        if episode is None:
            return False
        self._episodes.add(asyncio.get_running_loop().create_task(self._run_episode(episode)))
        return True

    async def _run_episode(self, episode: Episode) -> None:
        async def work() -> None:
            outcome = await episodes.run(
                episode,
                now=self._storage.now(),
                call=self._functions.orchestrator(episode.instance.name),
                known=self._functions.activities,
            )
            await self._storage.finish_episode(step=Step.DURABLE_EPISODE, episode=episode, outcome=outcome)

        await self._holding(episode.lock, f"an episode of {episode.instance.id}", work)

    # --- activities

    async def _begin_activity(self) -> bool:
        activity = await self._storage.next_activity()
        if activity is None:
            return False
        self._activities.add(asyncio.get_running_loop().create_task(self._run_activity(activity)))
        return True

    async def _run_activity(self, activity: Activity) -> None:
        async def work() -> None:
            result = await self._functions.run_activity(activity, now=self._storage.now)
            await self._storage.finish_activity(step=Step.DURABLE_ACTIVITY, activity=activity, result=result)

        await self._holding(activity.lock, f"activity {activity.name} of {activity.instance}", work)

    # --- locks

    async def _holding(self, lock: Lock, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do a piece of work under its lock. Cut off, it is given back; what could not be written comes again."""
        self._held.add(lock)
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.get_running_loop().create_task(self._renew())
        try:
            await work()
        except Conflict as error:
            _log.warning("%s ended, but %s", what, error)
        except Transient as error:
            _log.warning("%s ended, and comes again: %s", what, error)
        except asyncio.CancelledError:
            await self._release(lock)
            raise
        finally:
            self._held.discard(lock)

    async def _renew(self) -> None:
        while self._held:
            await asyncio.sleep(self._storage.lock_seconds / 3)
            try:
                await self._storage.renew(locks=self._held)
            except Transient as error:
                _log.warning("locks were not renewed: %s", error)

    async def _release(self, lock: Lock) -> None:
        try:
            await self._storage.release(lock=lock)
        except Transient as error:
            _log.warning("a lock stays until it expires: %s", error)

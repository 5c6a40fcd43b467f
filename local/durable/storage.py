"""The truth of the Durable engine: one SQLite file, for any number of processes of one machine."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from local.durable import events, sql_instances, sql_work
from local.durable.events import Event
from local.durable.limits import check_instance_id, check_payload
from local.durable.presence import Presence
from local.durable.records import Activity, Episode, Gone, Instance, Lock, Outcome, Status
from local.durable.schema import SCHEMA, VERSION
from shared.messages import QueueUnavailable
from shared.ports import Clock
from shared.settings import Sync
from shared.sqlite import SqliteFile
from shared.steps import Step

FILE = "durable.db"
LOCK_SECONDS = 30.0
"""How long work is held; whoever works renews it every third of this."""
POLL_SECONDS = 1.0
"""How often a waiter looks by itself: for locks that ended, and for a datagram that got lost."""
EPISODES = "episodes"
ACTIVITIES = "activities"


class DurableStorage:
    """One event loop per object; every object on a file is a client of its own.

    Each write of truth takes the `step` that it is. All of them raise QueueUnavailable when the file cannot be written.
    """

    def __init__(self, *, path: Path, sync: Sync, clock: Clock, lock_seconds: float = LOCK_SECONDS) -> None:
        """Open or create the file. Raises SettingError where that cannot be."""
        self._file = SqliteFile(path, schema=SCHEMA, version=VERSION, sync=sync, busy=QueueUnavailable)
        self._clock = clock
        self.lock_seconds = lock_seconds
        self._presence = Presence(self._file)
        self._closed = False

    # --- what clients do

    async def start(
        self, *, step: Step, name: str, id: str, input: str | None = None, version: str | None = None
    ) -> None:
        """Start an instance, in place of a finished one of that id.

        Raises Conflict where one runs, Refused for an id that Azure refuses, TooLarge.
        """
        check_instance_id(id)
        check_payload(f"the input of {id}", input)
        now = self._now()
        await self._file.write(lambda c: sql_instances.start(c, now, name=name, id=id, input=input, version=version))
        self._ring(EPISODES)

    async def raise_event(self, *, step: Step, id: str, name: str, data: str | None) -> Gone | None:
        """Raise an external event; say why where it reaches nobody. Raises TooLarge."""
        check_payload(f"the event {name} for {id}", data)
        return await self._send(id, events.event_raised(self._now(), name=name, data=data))

    async def terminate(self, *, step: Step, id: str, reason: str | None) -> Gone | None:
        """Ask an instance to end; as in Azure, it does so with its next episode."""
        return await self._send(id, events.execution_terminated(self._now(), reason=reason))

    async def _send(self, id: str, event: Event) -> Gone | None:
        now = self._now()
        gone = await self._file.write(lambda c: sql_instances.send(c, now, id, event))
        if gone is None:
            self._ring(EPISODES)
        return gone

    async def purge(self, *, step: Step, id: str) -> Status | None:
        """Forget an instance if it is finished; return its status, or None where there is none."""
        return await self._file.write(lambda c: sql_instances.purge(c, id))

    def instance(self, *, id: str) -> Instance | None:
        """An instance as it stands."""
        return self._file.read(lambda c: sql_instances.read(c, id))

    def history(self, *, id: str) -> list[Event]:
        """The history of an instance's present execution; empty where there is none."""
        found = self.instance(id=id)
        return self._file.read(lambda c: sql_instances.history(c, found.number)) if found else []

    # --- what engines do

    async def next_episode(self) -> Episode | None:
        """Lock an instance that has something to do."""
        holder, now = await self._presence.join(), self._now()
        if not self._file.read(lambda c: sql_work.episode_is_ready(c, now)):
            return None
        until = now + self.lock_seconds
        return await self._file.write(lambda c: sql_work.take_episode(c, now, until, holder))

    async def next_activity(self) -> Activity | None:
        """Lock an activity that is to run."""
        holder, now = await self._presence.join(), self._now()
        if not self._file.read(lambda c: sql_work.activity_is_ready(c, now)):
            return None
        until = now + self.lock_seconds
        return await self._file.write(lambda c: sql_work.take_activity(c, now, until, holder))

    async def finish_episode(self, *, step: Step, episode: Episode, outcome: Outcome) -> None:
        """Write what an episode came to. Raises Conflict when its lock was lost."""
        now = self._now()
        await self._file.write(lambda c: sql_work.finish_episode(c, now, episode, outcome))
        # What came meanwhile was invisible behind the lock.
        self._ring(EPISODES)
        if outcome.tasks:
            self._ring(ACTIVITIES)

    async def finish_activity(self, *, step: Step, activity: Activity, result: Event) -> None:
        """Write what an activity came to. Raises Conflict when its lock was lost, or its instance ended."""
        now = self._now()
        await self._file.write(lambda c: sql_work.finish_activity(c, now, activity.lock, result))
        self._ring(EPISODES)

    async def renew(self, *, locks: Iterable[Lock]) -> None:
        """Renew those locks that are still held."""
        now, held = self._now(), list(locks)
        await self._file.write(lambda c: sql_work.renew(c, held, now, now + self.lock_seconds))

    async def release(self, *, lock: Lock) -> None:
        """Give work back undone."""
        await self._file.write(lambda c: sql_work.release(c, lock))
        self._ring(EPISODES if lock.table == sql_work.INSTANCES else ACTIVITIES)

    async def wait(self, *, kind: str, timeout: float = POLL_SECONDS) -> None:
        """Return when there may be work of a kind, at the latest when the next timer fires or after `timeout`."""
        await self._presence.join()
        now = self._now()
        ready = sql_work.episode_is_ready if kind == EPISODES else sql_work.activity_is_ready
        if self._closed or self._file.read(partial(ready, now=now)):
            return
        if kind == EPISODES and (due := self._file.read(partial(sql_work.next_due, now=now))) is not None:
            timeout = min(timeout, due - now)
        await self._presence.wait(kind, timeout)

    # --- the rest

    def now(self) -> float:
        """The clock's time in seconds since the epoch."""
        return self._now()

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _ring(self, kind: str) -> None:
        self._presence.ring(kind)

    async def close(self) -> None:
        """End the locks that are still held, and close the file."""
        if not self._closed:
            self._closed = True
            await self._presence.close()
            await self._file.close()

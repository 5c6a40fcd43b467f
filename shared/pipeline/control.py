"""A working run's look at its conversation: is it still ours, did the person stop it or say more, may it do this."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from shared.agent.turn import Ledger, Permission, Question, Stopped
from shared.conversation.partition import Stored
from shared.conversation.records import ConversationRecord, Entry, QueueMode
from shared.messages import EventKind, LeaseLost, StoreUnavailable
from shared.pipeline.progress import ProgressDisplay
from shared.pipeline.work import Work
from shared.ports import Clock, Effect, Json
from shared.telemetry import span

FRESH = 0.2
"""Seconds for which what was read of the record still counts as read before a step."""
LOOK_EVERY = 0.4
"""Seconds between two looks at the record while a step takes its time."""
WRITE_GRACE = 0.7
"""Seconds that a call which changes something may take to come back after /stop, so that its outcome is known."""

STEERING = (EventKind.MESSAGE, EventKind.EDITED, EventKind.PRESS)
"""What a run can take in; a reminder that comes due gets a turn of its own."""

Permit = Callable[[str, Effect], Permission]


class RunControl:
    """The agent's Control for one segment."""

    def __init__(
        self,
        *,
        work: Work,
        ledger: Ledger,
        question: Callable[[Entry], Awaitable[Question]],
        permit: Permit,
        clock: Clock,
        deadline: float,
        stopping: Callable[[], bool],
        display: ProgressDisplay | None,
    ) -> None:
        """`question` makes of an entry what the agent takes in; `stopping` is true once the host wants to end."""
        self.deadline = deadline
        self.ledger = ledger
        self.stopped = False
        self._stepped = False
        self._work = work
        self._question = question
        self._permit = permit
        self._clock = clock
        self._stopping = stopping
        self._display = display
        self._begun = work.run.record.checkpoint is not None
        self._arrived: list[Stored[Entry]] = []
        self._seen_entries = -1
        self._task: asyncio.Task[Any] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    # --- the agent's side ---

    async def before_step(self) -> None:
        """Raise LeaseLost when the run is no longer ours, Stopped when the person said so; see what came in."""
        hold = self._work.hold
        if self._clock.monotonic() - hold.seen_at > FRESH:
            await hold.refresh()
        hold.assert_running()
        if self.stopped or self._is_stopped(hold.stored.record):
            self.stopped = True
            raise Stopped("the person said stop")
        await self._look_for_arrivals(hold.stored.record)
        self._stepped = True

    async def progress(self, text: str) -> None:
        """Show what is being done."""
        self._work.lately.append(text)
        if self._display:
            self._display.say(text)

    async def arrivals(self) -> Sequence[Question]:
        """What the person said since: from the second model call of a run on, or at once where all that waits is one turn."""
        mode, first = self._work.hold.stored.record.mode, not self._begun
        self._begun = True
        again = await self._of_the_last_try()
        if first and mode is QueueMode.COLLECT:
            self._seen_entries = -1
            await self._look_for_arrivals(self._work.hold.stored.record, collecting=True)
        arrived, self._arrived = self._arrived, []
        self._work.taken += arrived
        self._note(arrived)
        return [await self._question(one.record) for one in (*again, *arrived)]

    async def _of_the_last_try(self) -> Sequence[Stored[Entry]]:
        """What the run had taken in when it failed, and had no checkpoint with: consumed already, and to be told again."""
        work = self._work
        events = () if work.retold else work.run.record.unheard
        found = [await work.hold.partition.entry(event) for event in events]
        work.retold = True
        return [one for one in found if one]

    def _note(self, arrived: Sequence[Stored[Entry]]) -> None:
        """In the trace of each message: which run goes on with it."""
        run = self._work.run.record
        for one in arrived:
            event = one.record.event
            with span(
                "taken in", parent=event, links=[run], attributes={"praxos.event": event.id, "praxos.run": run.event}
            ):
                pass

    def waiting(self) -> bool:
        """True when something came in that the run has not taken in."""
        return bool(self._arrived)

    def permission(self, *, tool: str, effect: Effect, arguments: Json) -> Permission:
        """Whether the person's run may do this."""
        return self._permit(tool, effect)

    def draining(self) -> bool:
        """True when the segment should end between two steps. Each takes one at least, or a run might never get on."""
        return self._stepped and self._out_of_time()

    def _out_of_time(self) -> bool:
        return self._clock.monotonic() >= self.deadline or self._stopping()

    # --- while a step takes its time ---

    def watch(self, task: asyncio.Task[Any]) -> None:
        """From now on look at the record; cancel the task when the person says stop."""
        self._task = task
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._begin_to_watch)

    async def end(self) -> None:
        """Look no more."""
        if self._timer:
            self._timer.cancel()
        if self._watch:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)

    def _begin_to_watch(self) -> None:
        self._watch = asyncio.get_running_loop().create_task(self._keep_watching())

    async def _keep_watching(self) -> None:
        assert self._task
        while not self._task.done():
            try:
                record = await self._work.hold.refresh()
            except StoreUnavailable:
                pass  # the next look is soon; the lease ends by itself where the store stays away
            except LeaseLost:
                self._task.cancel()
                return
            else:
                if self._is_stopped(record):
                    await self._stop(self._task)
                    return
            await asyncio.sleep(LOOK_EVERY)

    async def _stop(self, task: asyncio.Task[Any]) -> None:
        self.stopped = True
        if getattr(self.ledger, "in_flight", None):
            await asyncio.wait({task}, timeout=WRITE_GRACE)
        task.cancel()

    def _is_stopped(self, record: ConversationRecord) -> bool:
        return record.stop_before > self._work.entry.record.n

    async def _look_for_arrivals(self, record: ConversationRecord, *, collecting: bool = False) -> None:
        """Find the entries that the run can take in: the lowest open ones, of the same person, as far as they go."""
        steers = collecting or (record.mode is QueueMode.STEER and self._begun)
        if not steers or record.entries == self._seen_entries:
            return
        self._seen_entries = record.entries
        own = {self._work.entry.id, *(one.id for one in self._work.taken)}
        entries = await self._work.hold.partition.open_entries(after=record.settled)
        sender = self._work.entry.record.event.sender.external_id
        self._arrived = []
        for entry in entries:
            if entry.id in own:
                continue
            event = entry.record.event
            if event.kind not in STEERING or event.sender.external_id != sender or entry.record.has_run:
                break
            self._arrived.append(entry)

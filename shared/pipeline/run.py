"""The run stage: what an orchestration does with a run that was handed over. It looks, waits, or works on a segment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from shared import ids
from shared.conversation.lease import Hold, watched
from shared.conversation.partition import ConversationPartition, Stored, Transaction, run_id
from shared.conversation.records import ConversationRecord
from shared.conversation.run_records import QuestionKind, QuestionRecord, Run, RunOwner
from shared.conversation.states import LeaseState, QuestionState, RunState
from shared.messages import Conflict, LeaseLost, Permanent, Transient
from shared.pipeline.rooms import Room, Rooms
from shared.pipeline.run_end import RunEnd
from shared.pipeline.segments import Do, Next, Segments
from shared.pipeline.work import Work, with_open_run
from shared.pipeline.work import begun as with_segment
from shared.ports import Clock, Orchestrations
from shared.settings import Settings
from shared.steps import Step
from shared.telemetry import bind, logger
from shared.topology import TURNS

log = logger(__name__)

ENDED = (RunState.FINISHED, RunState.STOPPED, RunState.FAILED)
BUSY_PAUSE = timedelta(seconds=1)
"""How long a run waits for a conversation whose lease somebody holds, before it looks again."""
LONGEST_WAIT = timedelta(hours=12)
"""An orchestration looks at its run at least this often, whatever it waits for."""


class Reference(BaseModel):
    """What an orchestration is started with: where its run is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    conversation: str
    run: str
    """The run's event."""


class QuestionTimes(Protocol):
    """Reminds people of questions and lets them expire."""

    async def due(self, *, partition: ConversationPartition, question: Stored[QuestionRecord]) -> datetime | None:
        """Do what is due for an open question; return when something is due next."""


class Runs:
    """Goes on with runs."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        segments: Segments,
        end: RunEnd,
        times: QuestionTimes,
        orchestrations: Callable[[], Orchestrations],
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._rooms = rooms
        self._segments = segments
        self._end = end
        self._times = times
        self._orchestrations = orchestrations
        self._clock = clock
        self._settings = settings

    # --- waking orchestrations ---

    async def wake_all(self, partition: ConversationPartition, record: ConversationRecord) -> None:
        """Wake the orchestrations of the runs that were handed over: one that waits may not have been started yet."""
        for run in record.runs:
            await self.wake(partition, run.event)

    async def wake(self, partition: ConversationPartition, event: str) -> None:
        """Wake a run's orchestration, unless the run has ended. Raises QueueUnavailable."""
        run = await partition.run(event)
        if run is None or run.record.state in ENDED:
            return
        reference = Reference(tenant=partition.tenant, conversation=partition.id, run=event)
        await self._orchestrations().wake(instance=ids.instance(run_id(event)), reference=reference.model_dump_json())

    async def wake_subject(self, partition: ConversationPartition, subject: str) -> bool:
        """Wake the run that a bell is about: by the run's document, or by one of its questions. False: it is about neither."""
        if subject.startswith("run:"):
            run = await partition.load(subject, Run)
            event = run.record.event if run else ""
        elif subject.startswith("question:"):
            question = await partition.load(subject, QuestionRecord)
            event = question.record.run if question else ""
        else:
            return False
        if event:
            await self.wake(partition, event)
        return True

    # --- an orchestration's activity ---

    async def step(self, reference: Reference) -> Next:
        """Look at the run, and work on a segment where there is something to do. Raises only for bugs."""
        partition = self._rooms.partition(tenant=reference.tenant, conversation=reference.conversation)
        with bind(event=reference.run, conversation=reference.conversation, tenant=reference.tenant):
            try:
                return await self._step(partition, reference.run)
            except LeaseLost as lost:
                log.warning("segment ended: %s", lost)
                return self._wait(BUSY_PAUSE)
            except (Transient, Permanent) as error:
                # The store is away, or the channel is not configured now.
                log.warning("segment put off", extra={"fields": {"error": str(error)}})
                return self._wait(timedelta(seconds=max(5.0, self._settings.retry_seconds)))

    async def _step(self, partition: ConversationPartition, event: str) -> Next:
        run, head = await self._look(partition, event)
        if run is None or head is None or run.record.state in ENDED or run.record.owner is RunOwner.TURN:
            # One that failed and was replayed waits for a turn, behind what came before it: it is not ours.
            return Next(do=Do.END)
        room = await self._rooms.room(
            tenant=partition.tenant, conversation=partition.id, channel=head.record.address.channel
        )
        stopped = any(one.event == event and one.entry < head.record.stop_before for one in head.record.runs)
        if run.record.state is RunState.WAITING and not stopped:
            until = await self._waits(room, run.record)
            if until:
                await self._watch(partition, run, until)
                return Next(do=Do.WAIT, until=min(until, self._clock.now() + LONGEST_WAIT))
        now = self._clock.now()
        if run.record.until and run.record.until > now and not stopped:
            return Next(do=Do.WAIT, until=run.record.until)
        if head.record.lease.state(now) is LeaseState.HELD:
            return self._wait(BUSY_PAUSE)
        try:
            work = await self._take(partition, head, run)
        except Conflict:
            return Next(do=Do.AGAIN)
        async with work.hold:
            return await self._segment(room, work)

    async def _look(
        self, partition: ConversationPartition, event: str
    ) -> tuple[Stored[Run] | None, Stored[ConversationRecord] | None]:
        run, head = await partition.run(event), await partition.record()
        seen = run and head and run.record.owner is RunOwner.DURABLE
        if not seen and (lag := partition.store.lag):
            # Whoever started the orchestration had handed it over: where others' writes are seen late, that comes yet.
            await asyncio.sleep(lag)
            run, head = await partition.run(event), await partition.record()
        return run, head

    async def _waits(self, room: Room, run: Run) -> datetime | None:
        """Until when a waiting run waits; None: there is an answer that it has not taken in."""
        questions = await room.partition.questions(entry=run.entry)
        undecided = [one for one in questions if _asks_what_becomes(one.record)]
        if undecided:
            questions = undecided  # whatever else is answered: nobody may go on with it yet
        elif any(one.record.answer and not one.record.taken_in for one in questions):
            return None
        times = []
        for one in questions:
            if one.record.state is QuestionState.OPEN:
                if at := await self._times.due(partition=room.partition, question=one):
                    times.append(at)
                else:
                    return None  # it has just expired
        return min(times, default=self._clock.now() + BUSY_PAUSE)

    async def _watch(self, partition: ConversationPartition, run: Stored[Run], until: datetime) -> None:
        """See to it that the sweeper leaves a waiting run alone until something is due."""
        if run.record.wake_at == watched(until):
            return
        transaction = Transaction()
        transaction.save(run, run.record.with_(wake_at=watched(until)))
        with suppress(Conflict):  # somebody goes on with it: they have written what it waits for now
            await partition.commit(Step.MARK_SWEPT, transaction)

    async def _segment(self, room: Room, work: Work) -> Next:
        try:
            return await self._segments.run(room, work, seconds=self._settings.segment_seconds)
        except LeaseLost:
            raise
        except BaseException:
            # A bug, the host's time-out, or no store: whoever comes next must not find our own lease in the way.
            if not work.hold.given_back and not work.hold.lost:
                await self._release(work)
            raise

    async def _take(self, partition: ConversationPartition, head: Stored[ConversationRecord], run: Stored[Run]) -> Work:
        """Take the conversation's lease and begin a segment in one transaction. Raises Conflict when someone was faster."""
        now = self._clock.now()
        entry = await partition.entry(run.record.event)
        if entry is None:
            raise RuntimeError(f"the entry of run {run.id!r} is gone")
        # Nothing but the lease's own `wake_at` may be due while somebody works: the sweeper would write the run.
        begun = with_segment(run.record, now).with_(
            state=RunState.WORKING, starts=run.record.starts + 1, until=None, wake_at=None, ring=None
        )
        answered = [
            one for one in await partition.questions(entry=run.record.entry) if one.record.answer and one.record.wake_at
        ]
        work = Work(hold=None, entry=entry, run=Stored(run.id, begun, ""))  # type: ignore[arg-type]  # taken below
        open_run = work.open_run(waiting=False)

        def begin(record: ConversationRecord, transaction: Transaction) -> ConversationRecord:
            transaction.save(run, begun)
            for one in answered:
                transaction.save(one, one.record.with_(wake_at=None, ring=None))
            record = with_open_run(record, open_run, event=run.record.event)
            return record.with_(working_since=now, working_on=run.record.event, ring=TURNS)

        work.hold = await Hold.take(
            step=Step.TAKE_SEGMENT,
            partition=partition,
            stored=head,
            load=partition.record,
            clock=self._clock,
            seconds=self._settings.lease_seconds,
            change=begin,
        )
        work.run = Stored(run.id, begun, work.hold.written[run.id])
        return work

    async def _release(self, work: Work) -> None:
        async def release(record: ConversationRecord, _: Transaction) -> ConversationRecord:
            return self._end.left(work.hold, record, durable=True)

        await work.hold.write(Step.RELEASE_TURN, release)

    def _wait(self, pause: timedelta) -> Next:
        return Next(do=Do.WAIT, until=self._clock.now() + pause)


def _asks_what_becomes(question: QuestionRecord) -> bool:
    """Whether somebody is still to say if the run may go on with another revision of the agent."""
    return question.about is QuestionKind.REVISION and question.state is QuestionState.OPEN

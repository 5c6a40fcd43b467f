"""A run goes on later: handed to an orchestration when its time is over, when it asks somebody, and after each segment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shared.agent.turn import Asked
from shared.conversation import outbox
from shared.conversation.lease import watched
from shared.conversation.outbox import RUNG, Outgoing
from shared.conversation.partition import Transaction, question_id
from shared.conversation.records import ConversationRecord, Entry
from shared.conversation.run_records import QuestionRecord, Run, RunOwner, SegmentEnd
from shared.conversation.states import EntryState, QuestionState, RunState
from shared.messages import OutboundMessage
from shared.pipeline.asking import Asking
from shared.pipeline.belfry import Belfry
from shared.pipeline.closing import discard_threads
from shared.pipeline.rooms import Room
from shared.pipeline.run_end import RunEnd
from shared.pipeline.turn_work import Worked
from shared.pipeline.work import Change, Work, accepted, ended, spent, with_open_run
from shared.ports import Checkpoints, Clock
from shared.steps import Step
from shared.telemetry import carried, span
from shared.topology import TURNS


class HandOver:
    """Records that a run goes on later, and from where."""

    def __init__(self, *, asking: Asking, end: RunEnd, bells: Belfry, checkpoints: Checkpoints, clock: Clock) -> None:
        self._asking = asking
        self._end = end
        self._bells = bells
        self._checkpoints = checkpoints
        self._clock = clock

    async def go_on(self, room: Room, work: Work, worked: Worked) -> None:
        """The segment's time is over: an orchestration goes on from its checkpoint. Gives the lease back."""
        wake_at = self._clock.now() + RUNG

        async def change(record: ConversationRecord, transaction: Transaction) -> ConversationRecord:
            await _take_in(transaction, room, worked.given)
            record = with_open_run(record, work.open_run(waiting=False), event=work.run.record.event)
            return self._end.left(work.hold, record, durable=True)

        step = Step.END_SEGMENT if work.durable else Step.HAND_OVER
        await self._write(step, work, worked, change, wake_at, RunState.WORKING)

    async def ask(self, room: Room, work: Work, worked: Worked) -> None:
        """The agent stopped at questions: ask those that were not asked yet. The run waits, the conversation goes on."""
        run, partition = work.run.record, room.partition
        known = await partition.questions(entry=run.entry)
        with span("question", attributes={"praxos.questions": len(worked.outcome.asked)}):
            new = await self._asking.prepare(
                partition=partition,
                run=run,
                event=worked.event,
                user=worked.user,
                asked=worked.outcome.asked,
                known=known,
            )
            wanted = {_id(run, asked) for asked in worked.outcome.asked}
            still = [one.record for one in known if one.id in wanted and one.record.state is QuestionState.OPEN]
            await self._wait(room, work, worked, still + new, new)

    async def ask_what_becomes(self, room: Room, work: Work) -> None:
        """Another revision of the agent wrote the run's checkpoint: ask whether this one should go on."""
        run, partition = work.run.record, room.partition
        known = await partition.questions(entry=run.entry)
        with span("question", attributes={"praxos.question.about": "revision"}):
            question = await self._asking.revision_question(
                partition=partition, run=run, event=work.entry.record.event, known=known
            )
            await self._wait(room, work, None, [question], [question])

    async def _wait(
        self,
        room: Room,
        work: Work,
        worked: Worked | None,
        open_ones: list[QuestionRecord],
        new: list[QuestionRecord],
    ) -> None:
        now, run = self._clock.now(), work.run.record
        outgoing = [_outgoing(self._asking, one) for one in new]
        asks = tuple(question_id(run=run.event, interrupt=one.interrupt, index=one.index) for one in open_ones)
        question = open_ones[0].text if open_ones else ""

        async def change(record: ConversationRecord, transaction: Transaction) -> ConversationRecord:
            await _take_in(transaction, room, worked.given if worked else ())
            for one in new:
                transaction.create(question_id(run=run.event, interrupt=one.interrupt, index=one.index), one)
            if outgoing:
                box = await room.partition.outbox()
                outbox.append(transaction, box, outgoing, render=room.render, now=now)
            open_run = work.open_run(waiting=True, asks=asks, question=question)
            return self._end.left(work.hold, with_open_run(record, open_run, event=run.event), durable=work.durable)

        times = [at for one in open_ones for at in (one.remind_at, one.expires_at) if at]
        # A question of somebody else's conversation is still to be put there: the run's next look does that.
        untold = any(not one.told for one in new)
        wake_at = watched(min(times)) if times and not untold else now + RUNG
        await self._write(Step.ASK, work, worked, change, wake_at, RunState.WAITING)
        if outgoing:
            await self._bells.deliveries(work)

    async def _write(
        self,
        step: Step,
        work: Work,
        worked: Worked | None,
        change: Change,
        wake_at: datetime,
        state: RunState,
    ) -> None:
        before, end = work.run.record, SegmentEnd.ASKED if state is RunState.WAITING else SegmentEnd.PAUSED

        def run(now: Run) -> Run:
            if worked:
                pointer, user = worked.outcome.pointer, worked.user.id
                now = accepted(now, pointer, revision=worked.revision, user=user, retold=work.retold)
                now = spent(now, worked.outcome.cost, seconds=worked.seconds, lately=worked.lately)
            return ended(now, end, self._clock.now()).with_(
                state=state,
                owner=RunOwner.DURABLE,
                starts=0,
                attempt=0,
                until=None,
                trouble_since=None,
                told=False,
                superseded=(),
                wake_at=wake_at,
                ring=TURNS,
            )

        def entry(now: Entry) -> Entry:
            # It stays as long as the run is open: what it says is needed in each segment.
            event = worked.event if worked else now.event
            return now.with_(state=EntryState.CONSUMED, until=None, ttl=None, event=event)

        await work.write(step, change, run=run, entry=entry, taken=EntryState.CONSUMED)
        kept = work.run.record.checkpoint
        old = [*before.superseded, *([before.checkpoint.thread] if before.checkpoint else [])]
        stale = before.with_(
            checkpoint=None, superseded=tuple(thread for thread in old if not kept or thread != kept.thread)
        )
        await discard_threads(self._checkpoints, stale)


async def _take_in(transaction: Transaction, room: Room, questions: Sequence[str]) -> None:
    """Note that the accepted checkpoint holds the answers to these."""
    for one in questions:
        question = await room.partition.load(one, QuestionRecord)
        if question and not question.record.taken_in:
            transaction.save(question, question.record.with_(taken_in=True, wake_at=None, ring=None))


def _id(run: Run, asked: Asked) -> str:
    return question_id(run=run.event, interrupt=asked.interrupt, index=asked.index)


def _outgoing(asking: Asking, question: QuestionRecord) -> Outgoing:
    name = question_id(run=question.run, interrupt=question.interrupt, index=question.index)
    message: OutboundMessage | None = asking.message(question) if question.told else asking.notice(question)
    assert message
    return Outgoing(name=f"{name}:asked", message=message, event=question.run, **carried(question))

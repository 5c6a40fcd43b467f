"""/stop: what was being done, and what waits below its number, ends as stopped, and the person is told what it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.conversation import outbox
from shared.conversation.outbox import Outgoing
from shared.conversation.partition import ConversationPartition, Stored, Transaction
from shared.conversation.records import KEEP_FINISHED, ConversationRecord, Entry
from shared.conversation.run_records import EffectRecord, Run, SegmentEnd
from shared.conversation.states import EntryState, RunState
from shared.messages import EventKind, OutboundMessage, said
from shared.pipeline import words
from shared.pipeline.belfry import Belfry
from shared.pipeline.closing import close_questions, discard_threads
from shared.pipeline.ledger import OPEN
from shared.pipeline.rooms import Room
from shared.pipeline.run_end import RunEnd
from shared.pipeline.work import ConversationHold, Work, in_short
from shared.pipeline.work import ended as segment_ended
from shared.ports import Checkpoints, Clock
from shared.steps import Step
from shared.telemetry import carried
from shared.topology import OUTBOUND, TURNS

AT_ONCE = 50
"""How many waiting entries end in one transaction."""
RUNS_AT_ONCE = 3
"""How many runs do: each may have questions to close."""


@dataclass(slots=True)
class _Ended:
    """What one transaction ends."""

    runs: list[Stored[Run]] = field(default_factory=list)
    entries: list[Stored[Entry]] = field(default_factory=list)
    about: list[words.StoppedRun] = field(default_factory=list)
    taken: int = 0
    """How many of the entries the work in hand had taken in."""
    kept: int = 0
    """The number of the lowest entry that stays open although it is below; 0: there is none."""


def has_stopped_work(record: ConversationRecord, lowest: Entry | None) -> bool:
    """Whether something must still end as stopped."""
    stopped_run = any(run.entry < record.stop_before for run in record.runs)
    return stopped_run or (lowest is not None and is_stopped(record, lowest))


def is_stopped(record: ConversationRecord, entry: Entry) -> bool:
    """Whether an entry ends as stopped. A reminder that has come due is no work of the person's: it is still told."""
    return entry.n < record.stop_before and entry.event.kind is not EventKind.REMINDER


class Stops:
    """Ends what the person stopped."""

    def __init__(self, *, end: RunEnd, bells: Belfry, checkpoints: Checkpoints, clock: Clock) -> None:
        self._end = end
        self._bells = bells
        self._checkpoints = checkpoints
        self._clock = clock

    async def stop(self, room: Room, hold: ConversationHold, *, work: Work | None, durable: bool) -> None:
        """End everything below the record's number, the work in hand first. Tells the person in the same transaction."""
        while True:
            ended = await self._below(room.partition, hold.stored.record, work)
            if not (ended.runs or ended.entries):
                return
            await self._write(room, hold, ended, durable=durable)
            for run in ended.runs:
                await discard_threads(self._checkpoints, run.record)
            work = None
            if hold.given_back:
                return

    async def _below(self, partition: ConversationPartition, record: ConversationRecord, work: Work | None) -> _Ended:
        ended = _Ended()
        numbers = {run.event: run.entry for run in record.runs if run.entry < record.stop_before}
        if work:
            ended.runs.append(work.run)
            ended.entries += [work.entry, *work.taken]
            ended.about.append(await self._about(partition, work.run.record, work.entry.record, work.lately))
            ended.taken = len(work.taken)
            numbers.pop(work.run.record.event, None)
        for event in list(numbers)[:RUNS_AT_ONCE]:
            run, entry = await partition.run(event), await partition.entry(event)
            if run and entry:
                ended.runs.append(run)
                ended.entries.append(entry)
                ended.about.append(await self._about(partition, run.record, entry.record))
        own = {entry.id for entry in ended.entries}
        for entry in await partition.open_entries(after=record.settled, limit=AT_ONCE):
            if entry.id in own:
                continue
            if not is_stopped(record, entry.record):
                ended.kept = ended.kept or entry.record.n
                continue
            ended.entries.append(entry)
            if entry.record.has_run and (begun := await partition.run(entry.record.event.id)):
                ended.runs.append(begun)
                ended.about.append(await self._about(partition, begun.record, entry.record))
        return ended

    async def _about(
        self, partition: ConversationPartition, run: Run, entry: Entry, lately: Sequence[str] = ()
    ) -> words.StoppedRun:
        effects: list[EffectRecord] = []
        if run.checkpoint:
            effects = await partition.effects(entry=run.entry, states=OPEN)
        return words.StoppedRun(
            about=in_short(said(entry.event)),
            steps=run.tool_calls + len(lately),
            lately=(*run.lately, *lately)[-1:],
            unknown=tuple(effect.about or effect.tool for effect in effects),
        )

    async def _write(self, room: Room, hold: ConversationHold, ended: _Ended, *, durable: bool) -> None:
        now = self._clock.now()
        stop = hold.stored.record.stop_before
        events = {run.record.event for run in ended.runs}
        open_ones = [entry for entry in ended.entries if entry.record.state in (EntryState.PENDING, EntryState.WAITING)]
        dropped = sum(entry.record.event.id not in events for entry in open_ones) - ended.taken
        first = ended.entries[0].record.event if ended.entries else None
        notice = Outgoing(
            name=f"stopped:{stop}:{first.id if first else ''}",
            message=OutboundMessage(text=words.stopped(ended.about, dropped=dropped)),
            notice=True,
            **(carried(first) if first else {"traceparent": "", "tracestate": ""}),
        )

        async def change(record: ConversationRecord, transaction: Transaction) -> ConversationRecord:
            for read in ended.runs:
                # Read anew in each try: the sweeper may have written when to look at it next.
                run = await room.partition.run(read.record.event) or read
                over = {"state": RunState.STOPPED, "finished_at": now, "ttl": KEEP_FINISHED}
                stopped = segment_ended(run.record, SegmentEnd.STOPPED, now)
                transaction.save(run, stopped.with_(**over, wake_at=None, ring=None, until=None))
                if run.record.checkpoint:
                    await close_questions(transaction, room.partition, run.record)
            for entry in ended.entries:
                is_open = entry in open_ones
                state = EntryState.STOPPED if is_open else entry.record.state
                at = now if is_open else entry.record.ended_at
                transaction.save(entry, entry.record.with_(state=state, until=None, ended_at=at, ttl=KEEP_FINISHED))
            box = await room.partition.outbox()
            outbox.append(transaction, box, [notice], render=room.render, now=now)
            waiting = max(0, record.waiting - len(open_ones))
            settled = max([record.settled, *(entry.record.n for entry in open_ones)])
            if ended.kept:
                settled = max(record.settled, min(settled, ended.kept - 1))
            return self._end.left(
                hold,
                record.with_(
                    runs=tuple(run for run in record.runs if run.event not in events),
                    waiting=waiting,
                    settled=record.entries if not waiting else settled,
                ),
                durable=durable,
            )

        await hold.write(Step.STOP_WORK, change)
        await self._bells.about(Step.RING_DELIVERY, OUTBOUND, hold.partition)
        if hold.given_back and hold.stored.record.waiting:
            # What interrupted it came while the lease was held: its own bell comes only when that would have ended.
            await self._bells.about(Step.RING_AGAIN, TURNS, hold.partition)

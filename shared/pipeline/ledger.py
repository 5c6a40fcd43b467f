"""The effects ledger in the store: each row is written under the conversation's lease."""

from __future__ import annotations

from collections.abc import Callable

from shared.agent.turn import Effected, Pointer, Stopped
from shared.conversation.partition import Transaction, effect_id
from shared.conversation.records import KEEP_FINISHED, ConversationRecord
from shared.conversation.run_records import EffectRecord, Run
from shared.conversation.states import EffectState, EntryState
from shared.pipeline.work import Work, accepted
from shared.ports import Clock, Effect, Json
from shared.steps import Step

OPEN = (EffectState.STARTED, EffectState.UNCERTAIN)
"""States in which nobody knows whether it happened."""


class StoreLedger:
    """The agent's Ledger for one segment of a run."""

    def __init__(self, *, work: Work, revision: str, user: str, clock: Clock, about: Callable[[], str]) -> None:
        """`about` says in words what is being done at the moment."""
        self._work = work
        self._revision = revision
        self._user = user
        self._clock = clock
        self._about = about
        self.in_flight: set[str] = set()
        """The keys of calls that left and have not come back."""

    async def find(self, *, key: str) -> Effected | None:
        """What is known of a call."""
        found = await self._work.hold.partition.load(self._id(key), EffectRecord)
        if found is None:
            return None
        row = found.record
        return Effected(state=row.state, attempt=row.attempt, arguments=row.arguments, result=row.result, why=row.why)

    async def start(
        self, *, key: str, tool: str, effect: Effect, arguments: str, attempt: int, pointer: Pointer
    ) -> None:
        """Record that the call is about to leave, and accept the checkpoint that holds its message, in one write.

        Raises Stopped where the person said stop before this was written.
        """
        work = self._work
        row = EffectRecord(
            n=work.run.record.entry,
            state=EffectState.STARTED,
            run=work.run.record.event,
            key=key,
            tool=tool,
            effect=effect,
            arguments=arguments,
            about=self._about(),
            attempt=attempt,
            started_at=self._clock.now(),
        )

        async def change(record: ConversationRecord, transaction: Transaction) -> ConversationRecord:
            if record.stop_before > work.entry.record.n:
                raise Stopped("the person said stop")
            await self._put(transaction, row)
            return record

        def run(now: Run) -> Run:
            return accepted(now, pointer, revision=self._revision, user=self._user, retold=work.retold)

        await work.write(Step.START_EFFECT, change, run=run, taken=EntryState.CONSUMED)
        work.hold.assert_running()
        self.in_flight.add(key)

    async def finish(self, *, key: str, state: EffectState, result: Json, why: str = "") -> None:
        """Record what came of it."""
        self.in_flight.discard(key)
        found = await self._work.hold.partition.load(self._id(key), EffectRecord)
        if found is None:
            raise RuntimeError(f"effect {key!r} was never started")
        row = found.record.with_(
            state=state,
            result=result,
            why=why,
            ended_at=self._clock.now(),
            ttl=None if state in OPEN else KEEP_FINISHED,
        )

        async def change(record: ConversationRecord, transaction: Transaction) -> ConversationRecord:
            await self._put(transaction, row)
            return record

        await self._work.hold.write(Step.FINISH_EFFECT, change)

    async def _put(self, transaction: Transaction, row: EffectRecord) -> None:
        found = await self._work.hold.partition.load(self._id(row.key), EffectRecord)
        if found:
            transaction.save(found, row)
        else:
            transaction.create(self._id(row.key), row)

    def _id(self, key: str) -> str:
        return effect_id(run=self._work.run.record.event, key=key)

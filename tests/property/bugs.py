"""Bugs planted on purpose: the machine must find each of them, or it would prove nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from shared.conversation.lease import Hold
from shared.conversation.partition import ConversationPartition, Transaction
from shared.conversation.records import ConversationRecord
from shared.conversation.run_records import RunOwner
from shared.conversation.states import EffectState
from shared.pipeline import control, run, run_end, work
from shared.pipeline.ledger import StoreLedger
from shared.ports import Put, Replace
from shared.steps import Step

Plant = Callable[[pytest.MonkeyPatch], None]


def _started_rows_count_for_nothing(patch: pytest.MonkeyPatch) -> None:
    """A call that left and never came back is made again, without a word."""
    find = StoreLedger.find

    async def forgetful(self: StoreLedger, *, key: str) -> Any:
        found = await find(self, key=key)
        return None if found and found.state is EffectState.STARTED else found

    patch.setattr(StoreLedger, "find", forgetful)


def _unconditional(steps: set[Step], patch: pytest.MonkeyPatch) -> None:
    commit = ConversationPartition.commit

    async def careless(self: ConversationPartition, step: Step, transaction: Transaction) -> Mapping[str, str]:
        if step in steps:
            transaction.operations[:] = [
                Put(one.id, one.body) if isinstance(one, Replace) else one for one in transaction.operations
            ]
        return await commit(self, step, transaction)

    patch.setattr(ConversationPartition, "commit", careless)


def _the_last_answer_counts(patch: pytest.MonkeyPatch) -> None:
    """An answer is written whatever became of its question meanwhile."""
    _unconditional({Step.ANSWER_QUESTION}, patch)


def _whoever_had_the_lease_writes(patch: pytest.MonkeyPatch) -> None:
    """A turn's end is written without a look at who holds the lease now."""
    _unconditional({Step.FINISH_TURN, Step.FINISH_RUN, Step.ASK, Step.HAND_OVER}, patch)


def _another_epoch_is_overlooked(patch: pytest.MonkeyPatch) -> None:
    """After a lost race on the etag, the write is tried again although somebody else holds the lease."""

    async def refresh(self: Hold[Any]) -> Any:
        found = await self._load()
        assert found
        self.stored = found
        return found.record

    patch.setattr(Hold, "refresh", refresh)


def _a_stop_is_not_looked_for_in_the_end(patch: pytest.MonkeyPatch) -> None:
    """The reply is written although the person said stop a moment before."""
    left = run_end.RunEnd.finish

    async def finish(self: run_end.RunEnd, room: Any, at_work: Any, ended: Any) -> None:
        write = at_work.write

        async def deaf(step: Step, change: Any, **given: Any) -> ConversationRecord:
            async def unstopped(record: ConversationRecord, transaction: Transaction) -> ConversationRecord:
                changed = await change(record.with_(stop_before=0), transaction)
                return changed.with_(stop_before=record.stop_before)

            return await write(step, unstopped, **given)

        await left(self, room, _Deaf(at_work, deaf), ended)

    patch.setattr(run_end.RunEnd, "finish", finish)


class _Deaf:
    def __init__(self, at_work: work.Work, write: Any) -> None:
        self._work = at_work
        self.write = write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._work, name)


def _entries_are_settled_too_far(patch: pytest.MonkeyPatch) -> None:
    """What a run takes in counts as settled with everything before it, the run's own entry too."""
    counted = work._counted

    def too_far(record: ConversationRecord, numbers: list[int], *, below: int | None) -> ConversationRecord:
        return counted(record, numbers, below=None)

    patch.setattr(work, "_counted", too_far)


def _an_orchestration_takes_what_a_turn_has(patch: pytest.MonkeyPatch) -> None:
    """One that has not heard of its run's end goes on with it after its replay, before what has come meanwhile."""
    patch.setattr(run, "RunOwner", SimpleNamespace(TURN=None, DURABLE=RunOwner.DURABLE))


def _a_replay_is_told_nothing_again(patch: pytest.MonkeyPatch) -> None:
    """What a run had taken in when it failed is consumed, and its replay knows nothing of it."""

    async def nothing(self: control.RunControl) -> tuple[()]:
        return ()

    patch.setattr(control.RunControl, "_of_the_last_try", nothing)


BUGS: Mapping[str, Plant] = {
    "the ledger ignores a started row": _started_rows_count_for_nothing,
    "an answer is written unconditionally": _the_last_answer_counts,
    "the end of a turn is written unconditionally": _whoever_had_the_lease_writes,
    "another epoch is overlooked": _another_epoch_is_overlooked,
    "the end does not look for a stop": _a_stop_is_not_looked_for_in_the_end,
    "entries are settled too far": _entries_are_settled_too_far,
    "an orchestration takes what a turn has": _an_orchestration_takes_what_a_turn_has,
    "a replay is told nothing again": _a_replay_is_told_nothing_again,
}

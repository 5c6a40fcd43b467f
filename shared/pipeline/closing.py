"""What a run leaves behind when it ends: questions that nobody needs to answer any more, and old checkpoints."""

from __future__ import annotations

from shared.conversation.partition import ConversationPartition, Transaction
from shared.conversation.records import KEEP_FINISHED
from shared.conversation.run_records import Run
from shared.conversation.states import QuestionState
from shared.messages import StoreUnavailable
from shared.ports import Checkpoints
from shared.telemetry import logger

log = logger(__name__)

MOST_CLOSED = 40
"""How many questions are closed in the transaction of a run's end; a run with more has answered ones, which expire."""


async def close_questions(transaction: Transaction, partition: ConversationPartition, run: Run) -> None:
    """Close the run's open questions, and let go of the answered ones. Read anew in each try of the transaction."""
    for question in (await partition.questions(entry=run.entry))[-MOST_CLOSED:]:
        record = question.record
        if record.ttl is not None:
            continue
        state = QuestionState.CLOSED if record.state is QuestionState.OPEN else record.state
        ended = record.with_(state=state, taken_in=True, remind_at=None, wake_at=None, ring=None, ttl=KEEP_FINISHED)
        transaction.save(question, ended)


async def discard_threads(checkpoints: Checkpoints, run: Run) -> None:
    """Remove the checkpoints of a run that ended. A crash before this leaves them lying: they harm nobody."""
    threads = [*run.superseded, *([run.checkpoint.thread] if run.checkpoint else [])]
    if threads:
        try:
            await checkpoints.discard(threads=threads)
        except StoreUnavailable as error:
            log.warning("checkpoints not discarded", extra={"fields": {"error": str(error)}})

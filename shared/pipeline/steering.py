"""The commands that steer what is being worked on: /stop, /queue, /new and /status."""

from __future__ import annotations

from collections.abc import Callable

from shared.conversation.mailbox import Decide, Settled
from shared.conversation.outbox import Outgoing
from shared.conversation.outbox_records import ProgressRecord
from shared.conversation.partition import ConversationPartition
from shared.conversation.records import PROGRESS, ConversationRecord, QueueMode
from shared.conversation.run_records import Run
from shared.messages import InboundEvent, OutboundMessage
from shared.pipeline import words
from shared.ports import Clock
from shared.telemetry import carried


class Steering:
    """Decides how these commands are settled."""

    def __init__(self, *, clock: Clock, model: Callable[[], str]) -> None:
        self._clock = clock
        self._model = model

    def stop(self, event: InboundEvent) -> Decide:
        """Everything below this command's own number ends as stopped; who ends it tells the person what it was."""

        def decide(record: ConversationRecord) -> Settled:
            if not (record.waiting or record.runs):
                return Settled({}, [notice(event, OutboundMessage(text=words.NOTHING_TO_STOP))])
            return Settled({"stop_before": record.entries + 1}, [], ring=True)

        return decide

    def new(self, event: InboundEvent) -> Decide:
        """What was said before is cut off, and what is being done is stopped."""

        def decide(record: ConversationRecord) -> Settled:
            changes = {"generation": record.generation + 1, "summary": "", "summarised": record.messages}
            stops = bool(record.waiting or record.runs)
            if stops:
                changes["stop_before"] = record.entries + 1
            return Settled(changes, [notice(event, OutboundMessage(text=words.NEW_CONVERSATION))], ring=stops)

        return decide

    def queue(self, event: InboundEvent, argument: str) -> Decide:
        """What a message does that comes in while a run works."""
        wanted = argument.strip().lower()
        if wanted not in set(QueueMode):
            return lambda record: Settled({}, [notice(event, words.queue_modes(record.mode))])
        mode = QueueMode(wanted)
        return lambda _: Settled({"mode": mode}, [notice(event, OutboundMessage(text=words.queue_mode_set(mode)))])

    async def status(self, partition: ConversationPartition, event: InboundEvent) -> Decide:
        """What is being done, for how long, and what it has cost."""
        progress = await partition.load(PROGRESS, ProgressRecord)
        head = await partition.record()
        working = await self._working(partition, head.record) if head else None

        def decide(record: ConversationRecord) -> Settled:
            now, busy = self._clock.now(), working is not None or record.working_since is not None
            since = working.started_at if working else record.working_since
            # Between two segments nothing is shown: then it is what was done last.
            doing = (progress.record.text if progress else "") or "".join(working.lately[-1:] if working else ())
            text = words.status(
                working_for=now - since if since else None,
                waiting=record.waiting,
                model=self._model(),
                doing=doing if busy else "",
                cost=words.cost(working) if working else "",
                asks=[run.question for run in record.runs if run.waiting],
            )
            return Settled({}, [notice(event, OutboundMessage(text=text))])

        return decide

    async def _working(self, partition: ConversationPartition, record: ConversationRecord) -> Run | None:
        """The run that is worked on, or that was handed over and goes on at any moment."""
        handed_over = [run.event for run in record.runs if not run.waiting]
        event = record.working_on or (handed_over[0] if handed_over else "")
        found = await partition.run(event) if event else None
        return found.record if found else None


def notice(event: InboundEvent, message: OutboundMessage) -> Outgoing:
    """What Praxos answers to an event by itself."""
    return Outgoing(name=f"{event.id}:answer", message=message, event=event.id, notice=True, **carried(event))

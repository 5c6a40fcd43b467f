"""The bells of a run's ends: a lost one is mended by the `wake_at` that was written before it was rung."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.conversation.partition import ConversationPartition
from shared.messages import Bell, QueueUnavailable
from shared.pipeline.bells import Bells
from shared.pipeline.work import Work
from shared.steps import Step
from shared.telemetry import carried, logger
from shared.topology import OUTBOUND

if TYPE_CHECKING:
    from shared.telemetry.protocols import Traced

log = logger(__name__)


class Belfry:
    """Rings for what was written, and does not mind when the queue is away."""

    def __init__(self, *, bells: Bells) -> None:
        self._bells = bells

    async def deliveries(self, work: Work) -> None:
        """Ring for what is in the outbox."""
        await self.ring(Step.RING_DELIVERY, OUTBOUND, work)

    async def ring(self, step: Step, queue: str, work: Work, *, at: datetime | None = None, subject: str = "") -> None:
        """Ring for the conversation of a run."""
        await self.about(step, queue, work.hold.partition, at=at, subject=subject, trace=work.entry.record.event)

    async def about(
        self,
        step: Step,
        queue: str,
        partition: ConversationPartition,
        *,
        at: datetime | None = None,
        subject: str = "",
        trace: Traced | None = None,
    ) -> None:
        """Ring for a conversation. `trace` carries the trace that the bell is rung in."""
        bell = Bell(tenant=partition.tenant, conversation=partition.id, subject=subject)
        if trace:
            bell = bell.model_copy(update=carried(trace))
        try:
            await self._bells.ring(step=step, queue=queue, bell=bell, at=at)
        except QueueUnavailable as error:
            # The truth is written; its `wake_at` makes the sweeper ring instead.
            log.warning("not rung", extra={"fields": {"queue": queue, "error": str(error)}})

    def back_off(self, attempt: int) -> timedelta:
        """How long to wait after the given number of failed attempts."""
        return self._bells.back_off(attempt)

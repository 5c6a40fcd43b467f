"""The sweeper: rings again for whatever is past the time at which somebody should have acted."""

from __future__ import annotations

from datetime import datetime
from types import MappingProxyType
from typing import Final

from shared.conversation.outbox import RUNG
from shared.conversation.records import OUTBOX, RECORD
from shared.messages import Bell, Conflict
from shared.pipeline.bells import Bells
from shared.pipeline.queue_watch import QueueWatch
from shared.ports import Clock, Document, Replace, Store
from shared.steps import Step
from shared.telemetry import Metric, enabled, logger, measure
from shared.topology import BACKGROUND, DEAD_LETTERS, OUTBOUND, TURNS

log = logger(__name__)

PAGES: Final = MappingProxyType({(TURNS, OUTBOUND, DEAD_LETTERS): 50, (BACKGROUND,): 1})
"""How many pages one sweep reads at most, by queues; the next one goes on.

In `background` a bell may wait for long behind others without being lost: ringing for all of them would double the queue
once a minute.
"""


class Sweeper:
    """Rings for what is overdue."""

    def __init__(self, *, store: Store, bells: Bells, watch: QueueWatch, clock: Clock) -> None:
        self._store = store
        self._watch = watch
        self._bells = bells
        self._clock = clock

    async def sweep(self) -> int:
        """Ring for everything overdue; return how many bells were sent."""
        rung = sum([await self._sweep(rings, pages) for rings, pages in PAGES.items()])
        await self._watch.look()
        if rung:
            log.info("swept", extra={"fields": {"rung": rung}})
        return rung

    async def _sweep(self, rings: tuple[str, ...], pages: int) -> int:
        rung = 0
        for _ in range(pages):
            # What was rung for is moved on, so that the first page is always the next one.
            page = await self._store.due(now=self._clock.now(), rings=rings)
            for document in page.documents:
                self._note(document)
                await self._bell(document)
                await self._move_on(document)
            rung += len(page.documents)
            if not page.continuation:
                break
        return rung

    async def after_restart(self) -> int:
        """Ring for what was to be rung for in the last minute; return how many bells were sent.

        A process that was killed may have written something and died before it rang. Whoever did ring is rung for
        twice, which costs a look.
        """
        return sum([await self._ring_soon(rings, pages) for rings, pages in PAGES.items()])

    async def _ring_soon(self, rings: tuple[str, ...], pages: int) -> int:
        rung, continuation = 0, ""
        soon = self._clock.now() + RUNG
        for _ in range(pages):
            page = await self._store.due(now=soon, rings=rings, continuation=continuation)
            for document in page.documents:
                await self._bell(document)
            rung += len(page.documents)
            continuation = page.continuation
            if not continuation:
                break
        return rung

    def _note(self, document: Document) -> None:
        if enabled():
            late = self._clock.now() - datetime.fromisoformat(document.body["wake_at"])
            measure(Metric.OVERDUE, late.total_seconds(), {"praxos.queue": document.body["ring"]})

    async def _bell(self, document: Document) -> None:
        body = document.body
        bell = Bell(
            tenant=document.partition.tenant,
            conversation=body.get("conversation", document.partition.key),
            subject="" if document.id in (RECORD, OUTBOX) else document.id,
            traceparent=body.get("traceparent", ""),
            tracestate=body.get("tracestate", ""),
        )
        await self._bells.ring(step=Step.SWEEP, queue=body["ring"], bell=bell)

    async def _move_on(self, document: Document) -> None:
        """See to it that the next sweep leaves it alone for a minute."""
        later = (self._clock.now() + RUNG).isoformat()
        try:
            await self._store.batch(
                step=Step.MARK_SWEPT,
                partition=document.partition,
                operations=[Replace(document.id, {**document.body, "wake_at": later}, document.etag)],
            )
        except Conflict:
            # Somebody acted meanwhile: the bell finds nothing to do.
            return

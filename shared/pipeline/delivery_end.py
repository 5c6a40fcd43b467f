"""What became of a part that was about to leave: each outcome is one transaction under the outbox's lease."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.conversation.dead_letter_records import About, DeadLetter
from shared.conversation.lease import Hold, watched
from shared.conversation.outbox_records import OutboxRecord, Part
from shared.conversation.partition import Stored, Transaction
from shared.conversation.records import KEEP_FINISHED
from shared.conversation.states import PartState
from shared.messages import Bell, NotTaken, OutcomeUnknown, Permanent, QueueUnavailable
from shared.pipeline import words
from shared.pipeline.bells import Bells
from shared.pipeline.dead_letters import DeadLetters, dead_letter, keep
from shared.ports import Clock
from shared.settings import Settings
from shared.steps import Step
from shared.telemetry import carried, logger
from shared.topology import OUTBOUND

log = logger(__name__)

MOST_UNKNOWN = 5
"""How many sends may end without our knowing before the part is given up: each may have shown a repeat."""
MOST_DROPPED = 90
"""How many parts of a refused message are dropped in the same transaction."""

OutboxHold = Hold[OutboxRecord]


def about_to_leave(part: Part, *, epoch: int, now: datetime) -> Part:
    """The part, marked before its call leaves. One that is found so already may have been taken: it is a repeat."""
    return part.with_(
        state=PartState.SENDING,
        repeat=part.repeat or part.state is PartState.SENDING,
        epoch=epoch,
        starts=part.starts + 1,
        tried_at=part.tried_at or now,
    )


class DeliveryEnd:
    """Records what became of parts."""

    def __init__(self, *, bells: Bells, dead_letters: DeadLetters, clock: Clock, settings: Settings) -> None:
        self._bells = bells
        self._dead_letters = dead_letters
        self._clock = clock
        self._settings = settings

    async def sent(
        self, hold: OutboxHold, leaving: Stored[Part], provider_id: str, *, more: bool
    ) -> Stored[Part] | None:
        """The platform took it. Returns the next part, marked in the same transaction, or None."""
        part = leaving.record.with_(
            state=PartState.SENT, provider_id=provider_id, sent_at=self._clock.now(), ttl=KEEP_FINISHED
        )
        return await self._settle(Step.RECORD_PART, hold, leaving, part, more=more)

    async def refuse(self, hold: OutboxHold, leaving: Stored[Part], refusal: Permanent) -> Stored[Part] | None:
        """The platform said no: the rest of the message goes with it, as a dead letter; the next message goes on.

        The refusal of a repeat says nothing about the send before it, which may have arrived.
        """
        if leaving.record.repeat:
            return await self.give_up(hold, leaving, reason=f"refused when it was sent again: {refusal}")
        part = leaving.record.with_(state=PartState.REFUSED, starts=0)
        letter = self._letter(leaving, reason=str(refusal), told=words.NOT_DELIVERED)
        return await self._settle(Step.FAIL_PART, hold, leaving, part, letter=letter)

    async def give_up(self, hold: OutboxHold, leaving: Stored[Part], *, reason: str) -> Stored[Part] | None:
        """Nobody knows whether it was taken, and it is not tried again: a dead letter."""
        part = leaving.record.with_(state=PartState.UNCERTAIN, starts=0)
        letter = self._letter(leaving, reason=reason, told=words.MAYBE_DELIVERED)
        return await self._settle(Step.FAIL_PART, hold, leaving, part, letter=letter)

    async def put_back(self, hold: OutboxHold, leaving: Stored[Part], trouble: NotTaken, bell: Bell) -> None:
        """The platform certainly took nothing: pending again, and nothing leaves before the platform allows it."""
        part = leaving.record
        if self._too_late(part):
            await self.refuse(hold, leaving, Permanent(f"for {self._settings.give_up_hours:g} h: {trouble}"))
            return
        waiting = part.with_(state=PartState.PENDING, starts=0, attempt=part.attempt + 1)
        await self._postpone(hold, leaving, waiting, self._wait(part.attempt, trouble.retry_after), bell)

    async def wait_unknown(self, hold: OutboxHold, leaving: Stored[Part], trouble: OutcomeUnknown, bell: Bell) -> None:
        """The outcome is unknown: it stays `sending`, and the next try carries the key or says that it may be a repeat."""
        part = leaving.record
        if part.unknown + 1 >= MOST_UNKNOWN or self._too_late(part):
            await self.give_up(hold, leaving, reason=f"outcome unknown {part.unknown + 1} times: {trouble}")
            return
        waiting = part.with_(starts=0, unknown=part.unknown + 1, attempt=part.attempt + 1)
        await self._postpone(hold, leaving, waiting, self._wait(part.attempt, None), bell)

    async def give_back(self, hold: OutboxHold) -> None:
        """Give the lease back with parts left."""
        now = self._clock.now()

        async def change(record: OutboxRecord, _: Transaction) -> OutboxRecord:
            return hold.given(record, wake_at=watched(now), ring=OUTBOUND)

        await hold.write(Step.POSTPONE_PART, change)

    async def _settle(
        self,
        step: Step,
        hold: OutboxHold,
        leaving: Stored[Part],
        part: Part,
        *,
        letter: DeadLetter | None = None,
        more: bool = True,
    ) -> Stored[Part] | None:
        """Record a part's end; take the next one in the same transaction, or give the lease back."""
        following: Stored[Part] | None = None
        kept: Stored[DeadLetter] | None = None

        async def change(record: OutboxRecord, transaction: Transaction) -> OutboxRecord:
            nonlocal following, kept
            transaction.save(leaving, part)
            settled = part.n
            if letter:
                kept = await keep(transaction, hold.partition, letter, known=part.letter)
                settled = await self._drop_rest(hold, part, transaction)
            following = await hold.partition.part(settled + 1) if more and record.parts > settled else None
            if following is None:
                left = {"wake_at": watched(self._clock.now()), "ring": OUTBOUND} if record.parts > settled else {}
                return hold.given(record, settled=settled, **left)
            next_part = about_to_leave(following.record, epoch=hold.epoch, now=self._clock.now())
            transaction.save(following, next_part)
            following = Stored(following.id, next_part, "")
            return hold.extended(record).with_(settled=settled)

        head = await hold.write(step, change)
        if kept:
            # Not the reason: a platform's own words can quote what it refused. `dead-letters show` has it.
            log.error("dead letter", extra={"fields": {"about": kept.record.about, "dead_letter": kept.id}})
            await self._ring_dead_letter(hold, kept)
        if following is not None:
            return Stored(following.id, following.record, hold.written[following.id])
        if head.parts > head.settled:
            bell = Bell(tenant=hold.partition.tenant, conversation=hold.partition.id)
            await self._bells.ring(step=Step.RING_PART, queue=OUTBOUND, bell=bell)
        return None

    async def _drop_rest(self, hold: OutboxHold, part: Part, transaction: Transaction) -> int:
        """Drop the later parts of the same message; return the number of the last part that is settled now."""
        settled = part.n
        for rest in await hold.partition.parts(after=part.n, limit=MOST_DROPPED):
            if rest.record.message != part.message:
                break
            transaction.save(rest, rest.record.with_(state=PartState.DROPPED))
            settled = rest.record.n
        return settled

    async def _postpone(
        self, hold: OutboxHold, leaving: Stored[Part], waiting: Part, wait: timedelta, bell: Bell
    ) -> None:
        until = self._clock.now() + wait

        async def change(record: OutboxRecord, transaction: Transaction) -> OutboxRecord:
            transaction.save(leaving, waiting)
            return hold.given(record, not_before=until, wake_at=watched(until), ring=OUTBOUND)

        await hold.write(Step.POSTPONE_PART, change)
        log.warning("part waits", extra={"fields": {"attempt": waiting.attempt, "seconds": wait.total_seconds()}})
        await self._bells.ring(step=Step.RING_PART, queue=OUTBOUND, bell=bell, at=until)

    async def _ring_dead_letter(self, hold: OutboxHold, letter: Stored[DeadLetter]) -> None:
        try:
            await self._dead_letters.ring(partition=hold.partition, letter=letter)
        except QueueUnavailable as error:
            log.warning("not rung", extra={"fields": {"error": str(error)}})

    def _letter(self, leaving: Stored[Part], *, reason: str, told: str) -> DeadLetter:
        return dead_letter(
            about=About.PART,
            subject=leaving.id,
            reason=reason,
            # Trouble with a notice makes no notice, or the two would chase each other for ever.
            words="" if leaving.record.notice else told,
            now=self._clock.now(),
            **carried(leaving.record),
        )

    def _wait(self, attempt: int, asked: float | None) -> timedelta:
        return max(self._bells.back_off(attempt), timedelta(seconds=asked or 0))

    def _too_late(self, part: Part) -> bool:
        limit = timedelta(hours=self._settings.give_up_hours)
        return part.tried_at is not None and self._clock.now() - part.tried_at >= limit

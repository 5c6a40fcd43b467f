"""The intake stage: an event enters its mailbox once; commands are answered; the turn is rung for."""

from __future__ import annotations

import asyncio

from pydantic import ValidationError

from shared.conversation.lease import RACES
from shared.conversation.mailbox import Arrival, Decide, Replay, Settled, arrive, head_of
from shared.conversation.outbox import Outgoing
from shared.messages import (
    Bell,
    Conflict,
    EventKind,
    InboundEvent,
    OutboundMessage,
    Permanent,
    QueueUnavailable,
    StoreUnavailable,
    Transient,
    Unreadable,
)
from shared.pipeline import words
from shared.pipeline.answers import Answers
from shared.pipeline.bells import Bells
from shared.pipeline.commands import Commands
from shared.pipeline.dead_letters import DeadLetters
from shared.pipeline.rooms import Room, Rooms
from shared.pipeline.webhook import Inbound
from shared.ports import Clock, Files, Sending
from shared.steps import Step
from shared.telemetry import Metric, add, bind, carried, handed_on, logger, span
from shared.topology import OUTBOUND

log = logger(__name__)


class Intake:
    """Takes messages of the `inbound` queue, in the order of their session."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        commands: Commands,
        answers: Answers,
        dead_letters: DeadLetters,
        bells: Bells,
        files: Files,
        clock: Clock,
        patience_seconds: float,
    ) -> None:
        self._rooms = rooms
        self._commands = commands
        self._answers = answers
        self._dead_letters = dead_letters
        self._bells = bells
        self._files = files
        self._clock = clock
        self._patience = patience_seconds

    async def receive(self, body: bytes, *, late: bool = False) -> None:
        """Take one message. While the store or the queue is away it tries again with the session's lock held.

        That keeps the order. It raises when its patience is over, shortly before the function's time-out, and for bugs.
        """
        deadline = self._clock.monotonic() + self._patience
        attempt = 0
        while True:
            try:
                await self._receive(body, late=late)
                return
            except (StoreUnavailable, QueueUnavailable) as error:
                delay = min(self._bells.back_off(attempt).total_seconds(), 10.0)
                if self._clock.monotonic() + delay >= deadline:
                    raise
                attempt += 1
                log.warning("intake waits", extra={"fields": {"error": str(error), "attempt": attempt}})
                await asyncio.sleep(delay)

    async def _receive(self, body: bytes, *, late: bool) -> None:
        event = await self._event(body)
        if event is None:
            return
        if late:
            event = event.model_copy(update={"late": True})
        with (
            bind(event=event.id, conversation=event.conversation, tenant=event.tenant, traceparent=event.traceparent),
            span("intake", kind="consumer", parent=event, attributes={"praxos.event.kind": event.kind}) as current,
        ):
            event = handed_on(event)
            if event.kind is EventKind.UNREADABLE:
                await self._dead_letters.unreadable(event)
                return
            try:
                await self.enter(event)
            except Transient:
                raise
            except Permanent as trouble:
                current.failed(type(trouble).__name__)
                add(Metric.ERRORS, attributes={"praxos.stage": "intake", "error.type": type(trouble).__name__})
                await self._dead_letters.not_taken_in(event, reason=str(trouble))
            except Exception as bug:
                if not late:
                    raise  # the broker delivers it again, ten times in all, and then to its dead-letter queue
                log.exception("an event could not be taken in")
                current.failed(type(bug).__name__)
                add(Metric.ERRORS, attributes={"praxos.stage": "intake", "error.type": type(bug).__name__})
                await self._dead_letters.not_taken_in(event, reason=f"{type(bug).__name__} in every delivery")

    async def enter(self, event: InboundEvent, *, replay: Replay | None = None) -> Arrival:
        """Put a readable event into its mailbox and ring for what follows."""
        room = await self._rooms.room(tenant=event.tenant, conversation=event.conversation, channel=event.channel)
        for _ in range(RACES):
            try:
                return await self._enter(room, event, replay)
            except Conflict:
                continue  # what it answers has changed since: decide again
        raise RuntimeError(f"{Step.ARRIVE}: lost {RACES} races on {room.partition.id!r}")

    async def _enter(self, room: Room, event: InboundEvent, replay: Replay | None) -> Arrival:
        decide = await self._commands.decision(room.partition, event)
        head = await head_of(room.partition, event)
        answered = None
        if decide is None:
            answered = await self._answers.decision(room.partition, event, head.record)
            decide = answered.decide if answered else _needs_turn(event)
        arrival = await arrive(
            room.partition,
            event=event,
            decide=decide,
            render=room.render,
            on_page=room.channel.capabilities.sending is Sending.PAGE,
            now=self._clock.now(),
            replay=replay,
            head=head,
        )
        if not arrival.new:
            log.info("delivered before")
        bell = Bell(tenant=event.tenant, conversation=event.conversation, **carried(event))
        if arrival.open:
            await self._bells.ring(step=Step.RING_TURN, queue=arrival.queue, bell=bell)
        if arrival.answered:
            await self._bells.ring(step=Step.RING_DELIVERY, queue=OUTBOUND, bell=bell)
        if answered:
            await self._answers.finish(answered, event)
        return arrival

    async def _event(self, body: bytes) -> InboundEvent | None:
        try:
            return await self.read(body)
        except Unreadable as error:
            await self._dead_letters.unroutable(body, reason=str(error))
            return None

    async def read(self, body: bytes) -> InboundEvent:
        """The event of a message of `inbound`. Raises Unreadable where there is none in it."""
        try:
            inbound = Inbound.model_validate_json(body)
            if inbound.event:
                return inbound.event
            stored = await self._files.get(id=inbound.file)
            if stored is not None:
                return InboundEvent.model_validate_json(stored)
        except ValidationError as error:
            first = error.errors()[0]["loc"]
            raise Unreadable(f"not one of our events: {error.error_count()} errors, the first at {first}") from None
        raise Unreadable(f"the file of the large event {inbound.id!r} is gone")


def _needs_turn(event: InboundEvent) -> Decide:
    if event.kind is EventKind.PRESS and not event.button.startswith("say:"):
        # A button of something that is over, or of another version of ours.
        gone = Outgoing(
            name=f"{event.id}:answer",
            message=OutboundMessage(text=words.BUTTON_GONE),
            event=event.id,
            notice=True,
            **carried(event),
        )
        return lambda _: Settled({}, [gone])
    return lambda _: None

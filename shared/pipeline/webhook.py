"""The webhook stage: verify, normalise, enqueue, respond. No database, no model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from shared import ids
from shared.messages import InboundEvent, QueueUnavailable, Transient
from shared.ports import Parsed, QueueMessage, WebhookRequest, WebhookResponse
from shared.steps import Step
from shared.telemetry import FromOutside, Metric, add, logger, properties, span, started
from shared.topology import INBOUND, MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from shared.ports import Channel, Clock, Files, Queue
    from shared.telemetry.protocols import Span

log = logger(__name__)

INLINE_BYTES = MAX_MESSAGE_BYTES - 32 * 1024
"""Larger events go to Files: properties and the broker's own headers need room too."""
KEEP_BODY = timedelta(days=30)
UNAUTHORISED = WebhookResponse(status=401, body=b"unauthorised")
NOT_FOUND = WebhookResponse(status=404, body=b"no such channel")
TRY_AGAIN = WebhookResponse(status=503, body=b"try again", headers={"Retry-After": "5"})


class Inbound(BaseModel):
    """The body of a message on the `inbound` queue: an event, or where a large one lies."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    event: InboundEvent | None = None
    file: str = ""
    id: str = ""
    """The id of an event that lies in Files, for when that file is gone."""


class Webhooks:
    """Takes what platforms send."""

    def __init__(
        self,
        *,
        channel: Callable[[str], Awaitable[Channel | None]],
        queue: Queue,
        files: Callable[[], Files],
        clock: Clock,
    ) -> None:
        self._channel = channel
        self._queue = queue
        self._files = files
        self._clock = clock

    async def handle(self, *, name: str, request: WebhookRequest) -> WebhookResponse:
        """Answer a webhook. A 2xx means that every event in it is committed to the queue."""
        channel = await self._channel(name)
        if channel is None:
            return NOT_FOUND
        # What a caller says of its own trace is not trusted: ours begins here, and names that one at most.
        theirs = FromOutside(request.headers.get("traceparent", ""))
        with span("webhook", kind="server", root=True, links=[theirs], attributes={"praxos.channel": name}) as current:
            answer = await self._answer(channel, name, request, current)
            current.set({"http.response.status_code": answer.status})
        return answer

    async def _answer(self, channel: Channel, name: str, request: WebhookRequest, current: Span) -> WebhookResponse:
        try:
            channel.verify(request=request)
        except Exception as error:  # noqa: BLE001  whatever goes wrong while verifying, it is not verified
            log.warning("webhook refused", extra={"fields": {"channel": name, "error": type(error).__name__}})
            add(Metric.ERRORS, attributes={"praxos.stage": "webhook", "error.type": type(error).__name__})
            current.failed(type(error).__name__)
            return UNAUTHORISED
        parsed = channel.parse(request=request, received_at=self._clock.now())
        if parsed.events:
            current.set({"praxos.event": parsed.events[0].id, "praxos.conversation": parsed.events[0].conversation})
        try:
            await self._enqueue(parsed)
        except Transient as error:
            log.error("webhook not queued", extra={"fields": {"channel": name, "error": str(error)}})
            add(Metric.ERRORS, attributes={"praxos.stage": "webhook", "error.type": type(error).__name__})
            current.failed(type(error).__name__)
            return TRY_AGAIN
        return parsed.response

    async def _enqueue(self, parsed: Parsed) -> None:
        messages: Sequence[QueueMessage] = [await self._message(event) for event in parsed.events]
        if messages:
            await self._queue.send(step=Step.ENQUEUE, queue=INBOUND, messages=messages)

    async def _message(self, event: InboundEvent) -> QueueMessage:
        event = event.model_copy(update=started())
        # The JSON of an Inbound. Making one would validate the event again while the platform waits for its answer.
        body = f'{{"event":{event.model_dump_json(exclude_defaults=True)}}}'.encode()
        if len(body) > INLINE_BYTES:
            body = Inbound(file=await self._put_aside(event), id=event.id).model_dump_json().encode()
        return QueueMessage(
            body=body,
            id=ids.message(event.id),
            session=ids.session(event.conversation),
            properties=properties(event),
        )

    async def _put_aside(self, event: InboundEvent) -> str:
        try:
            stored = await self._files().put(
                owner=event.conversation,
                name="event.json",
                media_type="application/json",
                content=event.model_dump_json().encode(),
                keep=KEEP_BODY,
            )
        except OSError as error:
            raise QueueUnavailable(f"a large event could not be put aside: {type(error).__name__}") from error
        return stored.id

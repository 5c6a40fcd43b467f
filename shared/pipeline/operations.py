"""What operators reach over HTTP. The host lets nobody in without its key; who it was is recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.messages import MovedOn, NotThere, Permanent, Transient
from shared.pipeline.dead_letter_actions import DeadLetterActions
from shared.pipeline.dead_letter_views import Summary
from shared.pipeline.queue_views import Depths, depths
from shared.pipeline.timeline import MOST_EVENTS, Timelines
from shared.ports import Clock, Queue, WebhookRequest, WebhookResponse
from shared.telemetry import logger

log = logger(__name__)

PRINCIPAL = "x-ms-client-principal-name"
"""Set by App Service where it signs people in."""
NAMELESS = "key holder"
RETRY_AFTER = "5"


class _Page(BaseModel):
    """The query of the list."""

    model_config = ConfigDict(extra="ignore")

    limit: int = Field(default=50, ge=1, le=200)
    continuation: str = Field(default="", pattern=r"^[0-9A-Za-z+/=_.-]*$")
    conversation: str = ""


class _Of(BaseModel):
    """The query of a timeline."""

    model_config = ConfigDict(extra="ignore")

    of: str = Field(min_length=1)
    """An event, or a conversation."""
    in_: str = Field(default="", alias="in")
    """The conversation in which to look for the event."""
    limit: int = Field(default=20, ge=1, le=MOST_EVENTS)
    text: bool = False


class _Note(BaseModel):
    """The body of an action; it may be missing."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=500)


class _Error(BaseModel):
    """Why it was not done."""

    error: str


Act = Callable[..., Awaitable[Summary]]


class Operations:
    """Answers operators' requests in JSON."""

    def __init__(
        self,
        *,
        letters: Callable[[], DeadLetterActions],
        timelines: Callable[[], Timelines],
        queue: Callable[[], Queue],
        clock: Clock,
    ) -> None:
        self._letters = letters
        self._timelines = timelines
        self._queue = queue
        self._clock = clock

    async def list_dead_letters(self, *, request: WebhookRequest) -> WebhookResponse:
        """A page of the open ones, or one conversation's."""

        async def answer() -> BaseModel:
            page = _Page.model_validate(request.query)
            return await self._letters().list(
                conversation=page.conversation, limit=page.limit, continuation=page.continuation
            )

        return await _answer(answer)

    async def show_dead_letter(self, *, request: WebhookRequest, id: str) -> WebhookResponse:
        """Everything about one."""
        return await _answer(lambda: self._letters().show(id))

    async def replay_dead_letter(self, *, request: WebhookRequest, id: str) -> WebhookResponse:
        """Try it again. The state says whether that failed at once: then it is open."""
        return await self._act(self._letters().replay, request, id)

    async def discard_dead_letter(self, *, request: WebhookRequest, id: str) -> WebhookResponse:
        """Put it aside for good."""
        return await self._act(self._letters().discard, request, id)

    async def show_timeline(self, *, request: WebhookRequest) -> WebhookResponse:
        """What happened to an event, or in a conversation; with what people wrote only where `text` is asked for."""

        async def answer() -> BaseModel:
            asked = _Of.model_validate(request.query)
            return await self._timelines().of(asked.of, conversation=asked.in_, limit=asked.limit, text=asked.text)

        return await _answer(answer)

    async def show_queues(self, *, request: WebhookRequest) -> WebhookResponse:
        """How much waits in each queue, and for how long."""

        async def answer() -> Depths:
            return await depths(self._queue(), now=self._clock.now())

        return await _answer(answer)

    async def _act(self, act: Act, request: WebhookRequest, id: str) -> WebhookResponse:
        async def answer() -> BaseModel:
            note = _Note.model_validate_json(request.body) if request.body.strip() else _Note()
            return await act(id, who=_who(request), note=note.reason)

        return await _answer(answer)


def _who(request: WebhookRequest) -> str:
    name = request.headers.get(PRINCIPAL, "")
    return "".join(letter for letter in name if letter.isprintable())[:200] or NAMELESS


async def _answer(work: Callable[[], Awaitable[BaseModel]]) -> WebhookResponse:
    try:
        return _json(200, await work())
    except NotThere as error:
        return _json(404, _Error(error=str(error)))
    except (MovedOn, Permanent) as error:
        return _json(409, _Error(error=str(error)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        return _json(400, _Error(error=f"{where}: {first['msg']}" if where else first["msg"]))
    except Transient as error:
        log.warning("an operator was put off", extra={"fields": {"error": str(error)}})
        return _json(503, _Error(error=str(error)), **{"Retry-After": RETRY_AFTER})


def _json(status: int, body: BaseModel, **headers: str) -> WebhookResponse:
    return WebhookResponse(
        status=status,
        body=body.model_dump_json().encode(),
        media_type="application/json",
        headers={"Cache-Control": "no-store", **headers},
    )

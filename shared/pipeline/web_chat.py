"""What the chat page reads: its items and progress, and the files of its conversation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol, runtime_checkable

from shared.conversation.outbox_records import PageItem, PageRole, ProgressRecord
from shared.conversation.partition import ConversationPartition
from shared.conversation.records import PROGRESS, ConversationRecord
from shared.messages import Address, Attachment, TooLarge, Transient, Unreadable
from shared.ports import Channel, Files, Json, Store, StoredFile, WebhookRequest, WebhookResponse
from shared.telemetry import logger

log = logger(__name__)

CHANNEL = "web"
PAGE_ITEMS = 100
"""The most items in one answer."""
KEEP_FILES = timedelta(days=90)

_NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class UploadedFile(Protocol):
    """A file as it was sent."""

    @property
    def name(self) -> str: ...
    @property
    def media_type(self) -> str: ...
    @property
    def content(self) -> bytes: ...


@runtime_checkable
class PageChannel(Channel, Protocol):
    """A channel with a page of its own."""

    def address(self, *, request: WebhookRequest) -> Address:
        """The chat of whoever asks. Raises Unverified; any other exception counts as it."""

    def page(self, *, request: WebhookRequest) -> WebhookResponse:
        """The page itself."""

    def asset(self, *, request: WebhookRequest, name: str) -> WebhookResponse:
        """A file that the page is made of."""

    def message_id(self, *, event: str) -> str:
        """The page's own id of the message that an event came from."""

    def read_upload(self, *, request: WebhookRequest) -> UploadedFile:
        """The file that somebody sends. Raises Unreadable."""

    def answer_file(self, *, file: StoredFile, content: bytes) -> WebhookResponse:
        """A stored file as a browser may have it."""


Answer = Callable[[PageChannel, WebhookRequest, Address], Awaitable[WebhookResponse]]
NOT_HERE = WebhookResponse(status=404, body=b"there is no web chat here")


class WebChat:
    """The reads of the chat page. What its people write comes in as a webhook, like any channel's."""

    def __init__(
        self, *, channel: Callable[[str], Awaitable[Channel | None]], store: Store, files: Files, max_file_bytes: int
    ) -> None:
        self._find = channel
        self._store = store
        self._files = files
        self._max_file_bytes = max_file_bytes

    async def _channel(self) -> PageChannel | None:
        found = await self._find(CHANNEL)
        return found if isinstance(found, PageChannel) else None

    async def page(self, *, request: WebhookRequest) -> WebhookResponse:
        """The page."""
        channel = await self._channel()
        return channel.page(request=request) if channel else NOT_HERE

    async def asset(self, *, request: WebhookRequest, name: str) -> WebhookResponse:
        """A file that the page is made of."""
        channel = await self._channel()
        return channel.asset(request=request, name=name) if channel else NOT_HERE

    async def events(self, *, request: WebhookRequest) -> WebhookResponse:
        """`after=N`: the items behind number N, the oldest first. `before=N`: those ahead of it. Neither: the latest.

        `last` is where to go on from, `more` says that there is more in the direction that was asked for.
        """
        return await self._for_person(request, self._events)

    async def upload(self, *, request: WebhookRequest) -> WebhookResponse:
        """Keep a file for the conversation of whoever sends it; the answer describes it."""
        return await self._for_person(request, self._upload)

    async def download(self, *, request: WebhookRequest, id: str) -> WebhookResponse:
        """A file, for the conversation that owns it."""

        async def answer(channel: PageChannel, _: WebhookRequest, address: Address) -> WebhookResponse:
            file = await self._files.describe(id=id)
            content = await self._files.get(id=id) if file and file.owner == address.conversation else None
            if file is None or content is None:
                return _json(404, {"error": "There is no such file, or not any more."})
            return channel.answer_file(file=file, content=content)

        return await self._for_person(request, answer)

    async def _for_person(self, request: WebhookRequest, answer: Answer) -> WebhookResponse:
        channel = await self._channel()
        if channel is None:
            return NOT_HERE
        try:
            address = channel.address(request=request)
        except Exception as error:  # noqa: BLE001  whatever went wrong while verifying: it fails closed
            log.info("web chat request refused", extra={"fields": {"error": type(error).__name__}})
            return _json(401, {"error": "Please load the page again to sign in."})
        try:
            return await answer(channel, request, address)
        except Transient:
            return _json(503, {"error": "Praxos cannot answer at the moment."})
        except TooLarge as error:
            return _json(413, {"error": str(error)})
        except Unreadable as error:
            return _json(400, {"error": str(error)})

    async def _events(self, channel: PageChannel, request: WebhookRequest, address: Address) -> WebhookResponse:
        after, before = _number(request, "after"), _number(request, "before")
        partition = ConversationPartition(store=self._store, tenant=address.tenant, conversation=address.conversation)
        record = await partition.record()
        outbox, progress = await asyncio.gather(partition.outbox(), partition.load(PROGRESS, ProgressRecord))
        published = outbox.record.published
        items: list[PageItem] = []
        if published > (after or 0):
            items = await self._items(partition, after=after, before=before)
        working = outbox.record.parts > outbox.record.settled or bool(record and _is_busy(record.record))
        if items and not working:
            # Something may have arrived between these reads: then what is shown as said would seem to need no answer.
            again = await partition.record()
            working = (again and again.etag) != (record and record.etag)
        doing = progress.record if progress and progress.record.text and working else None
        return _json(
            200,
            {
                "items": [_item(channel, item) for item in items],
                "last": items[-1].n if items else max(after or 0, published),
                "more": len(items) == PAGE_ITEMS,
                "progress": {"text": doing.text, "since": doing.since.isoformat()} if doing else None,
                "working": working,
            },
        )

    async def _items(
        self, partition: ConversationPartition, *, after: int | None, before: int | None
    ) -> list[PageItem]:
        latest = after is None
        found = await self._store.query(
            partition=partition.key, kind="page", after=after, before=before, descending=latest, limit=PAGE_ITEMS
        )
        items = [PageItem.model_validate(document.body) for document in found]
        return items[::-1] if latest else items

    async def _upload(self, channel: PageChannel, request: WebhookRequest, address: Address) -> WebhookResponse:
        if len(request.body) > self._max_file_bytes:
            raise TooLarge(f"A file may have at most {self._max_file_bytes:,} bytes.")
        upload = channel.read_upload(request=request)
        file = await self._files.put(
            owner=address.conversation,
            name=upload.name,
            media_type=upload.media_type,
            content=upload.content,
            keep=KEEP_FILES,
        )
        return _json(201, {"id": file.id, "name": file.name, "media_type": file.media_type, "size": file.size})


def _is_busy(record: ConversationRecord) -> bool:
    """Whether a reply is on its way: a run that waits for an answer waits for the person."""
    return record.waiting > 0 or any(not run.waiting for run in record.runs)


def _item(channel: PageChannel, item: PageItem) -> Json:
    return {
        "n": item.n,
        "role": item.role.value,
        "text": item.text,
        "html": item.html,
        "attachments": [_attachment(attachment) for attachment in item.attachments],
        "buttons": [[button.model_dump(mode="json") for button in row] for row in item.buttons],
        "at": item.at.isoformat(),
        "id": channel.message_id(event=item.event) if item.role is PageRole.PERSON else "",
    }


def _attachment(attachment: Attachment) -> Json:
    return {
        "id": attachment.file,
        "name": attachment.name,
        "media_type": attachment.media_type,
        "size": attachment.size,
    }


def _number(request: WebhookRequest, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise Unreadable(f"{name} is a number, 0 or more")
    return int(text)


def _json(status: int, body: Json) -> WebhookResponse:
    return WebhookResponse(
        status=status, body=json.dumps(body).encode(), media_type="application/json", headers=_NO_STORE
    )

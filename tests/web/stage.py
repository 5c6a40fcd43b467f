"""The chat page's own backend without the rest of the pipeline: a scripted assistant answers, at the test's pace."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from shared import ids
from shared.channels.web.adapter import WebChannel, build
from shared.conversation.outbox import page_id, said_by_person
from shared.conversation.outbox_records import OutboxRecord, PageItem, PageRole, ProgressRecord
from shared.conversation.partition import ConversationPartition, Transaction
from shared.conversation.records import OUTBOX, PROGRESS, RECORD, ConversationRecord
from shared.messages import Attachment, Button, InboundEvent, OutboundMessage
from shared.pipeline.web_chat import WebChat
from shared.ports import Parts, StoredFile, WebhookRequest, WebhookResponse
from shared.settings import Settings
from shared.steps import Step
from shared.storage.sqlite import build as build_store


class Wall:
    """The real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class KeptSecrets:
    """Secrets in memory."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    async def get(self, *, name: str) -> str | None:
        return self.values.get(name)

    async def create(self, *, name: str, value: str) -> str:
        return self.values.setdefault(name, value)

    async def put(self, *, name: str, value: str) -> None:
        self.values[name] = value

    async def disable(self, *, name: str) -> None:
        del self.values[name]


class KeptFiles:
    """Files in memory."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[StoredFile, bytes]] = {}

    async def put(
        self, *, owner: str, name: str, media_type: str, content: bytes | AsyncIterator[bytes], keep: timedelta
    ) -> StoredFile:
        assert isinstance(content, bytes)
        file = StoredFile(secrets.token_urlsafe(12), name, media_type, len(content), owner)
        self.files[file.id] = (file, content)
        return file

    async def describe(self, *, id: str) -> StoredFile | None:
        return self.files[id][0] if id in self.files else None

    async def get(self, *, id: str) -> bytes | None:
        return self.files[id][1] if id in self.files else None

    async def close(self) -> None:
        pass


class Stage:
    """Serves the page on a free port. `heard` are the events that came in, each once; `refuse` is a status for POSTs."""

    def __init__(self, folder: Path, *, environ: dict[str, str] | None = None, script: bool = True) -> None:
        settings = Settings(home=folder, max_file_bytes=1_000_000)
        self.secrets, self.files, self.clock = KeptSecrets(), KeptFiles(), Wall()
        self.parts = Parts(
            settings=settings,
            environ=environ or {},
            clock=self.clock,
            http=_no_http,
            files=lambda: self.files,
            secrets=lambda: self.secrets,
        )
        self.channel: WebChannel = build(self.parts)
        self.store = build_store(self.parts)
        self.chat = WebChat(channel=self.opened, store=self.store, files=self.files, max_file_bytes=1_000_000)
        self.heard: list[InboundEvent] = []
        self.posts = 0
        self.refuse = 0
        self.script = script
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def opened(self, _: str) -> WebChannel:
        await self.channel.open()
        return self.channel

    async def start(self) -> None:
        app = web.Application(client_max_size=2**24)
        app.router.add_get("/api/chat", self._with(self.chat.page))
        app.router.add_get("/api/chat/events", self._with(self.chat.events))
        app.router.add_post("/api/chat/files", self._with(self.chat.upload))
        app.router.add_get("/api/chat/files/{id}", self._download)
        app.router.add_get("/api/chat/assets/{name}", self._asset)
        app.router.add_post("/api/webhooks/web", self._with(self.handle))
        app.router.add_get("/elsewhere", self._elsewhere)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop serving; `start` goes on at the same port with the same data."""
        assert self._runner
        await self._runner.cleanup()

    async def close(self) -> None:
        await self.stop()
        for task in self._tasks:
            task.cancel()
        await self.store.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/chat"

    # --- what a test lets the assistant do --------------------------------------------------------------------

    async def reply(
        self,
        text: str,
        *,
        role: PageRole = PageRole.ASSISTANT,
        attachments: tuple[Attachment, ...] = (),
        buttons: tuple[tuple[Button, ...], ...] = (),
        to: InboundEvent | None = None,
        at: datetime | None = None,
    ) -> None:
        """Publish something in the conversation of an event (the last one heard)."""
        event = to or self.heard[-1]
        (part,) = self.channel.render(message=OutboundMessage(text=text, attachments=attachments, buttons=buttons))
        item = PageItem.model_validate({"n": 0, "role": role, "event": event.id, "at": at or self.clock.now(), **part})
        await self._publish(event, item, waiting=0)

    async def progress(self, text: str, *, to: InboundEvent | None = None) -> None:
        """Say what is being done."""
        transaction = Transaction()
        transaction.put(PROGRESS, ProgressRecord(text=text, since=self.clock.now()))
        await self._partition(to or self.heard[-1]).commit(Step.SHOW_PROGRESS, transaction)

    async def keep(self, content: bytes, *, name: str, media_type: str, to: InboundEvent | None = None) -> Attachment:
        """A file of the conversation, for a reply."""
        owner = (to or self.heard[-1]).conversation
        file = await self.files.put(
            owner=owner, name=name, media_type=media_type, content=content, keep=timedelta(days=1)
        )
        return Attachment(name=name, media_type=media_type, size=file.size, file=file.id)

    async def _publish(self, event: InboundEvent, item: PageItem, *, waiting: int) -> None:
        partition = self._partition(event)
        box = await partition.outbox()
        number = box.record.published + 1
        transaction = Transaction()
        transaction.put(OUTBOX, OutboxRecord(published=number))
        transaction.put(RECORD, ConversationRecord(address=_address(event), waiting=waiting))
        transaction.create(page_id(number), item.with_(n=number))
        await partition.commit(Step.RECORD_PART, transaction)

    def _partition(self, event: InboundEvent) -> ConversationPartition:
        return ConversationPartition(store=self.store, tenant=event.tenant, conversation=event.conversation)

    # --- HTTP -------------------------------------------------------------------------------------------------

    async def handle(self, request: WebhookRequest) -> WebhookResponse:
        """What a person sends."""
        self.posts += 1
        if self.refuse:
            return WebhookResponse(status=self.refuse, body=b'{"error": "not now"}')
        await self.channel.open()
        try:
            self.channel.verify(request=request)
        except Exception:
            return WebhookResponse(status=401)
        parsed = self.channel.parse(request=request, received_at=self.clock.now())
        for event in parsed.events:
            if event.id not in {known.id for known in self.heard}:
                self.heard.append(event)
                await self._publish(event, said_by_person(event, n=0), waiting=1)
                if self.script:
                    task = asyncio.create_task(self._answer(event))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
        return parsed.response

    async def _answer(self, event: InboundEvent) -> None:
        if slow := re.fullmatch(r"slow (\d+)", event.text):
            await self.progress("Reading a web page", to=event)
            await asyncio.sleep(float(slow[1]) / 1000)
        await self.reply(f"You said: {event.text}", to=event)

    async def _asset(self, request: web.Request) -> web.Response:
        return _answer(await self.chat.asset(request=await _unwrap(request), name=request.match_info["name"]))

    async def _download(self, request: web.Request) -> web.Response:
        return _answer(await self.chat.download(request=await _unwrap(request), id=request.match_info["id"]))

    async def _elsewhere(self, _: web.Request) -> web.Response:
        return web.Response(text=f'<a href="{self.url}">chat</a>', content_type="text/html")

    def _with(self, call: Any) -> Any:
        async def handle(request: web.Request) -> web.Response:
            return _answer(await call(request=await _unwrap(request)))

        return handle


async def _unwrap(request: web.Request) -> WebhookRequest:
    return WebhookRequest(
        method=request.method,
        url=str(request.url),
        headers={name.lower(): value for name, value in request.headers.items()},
        query=dict(request.query),
        body=await request.read(),
    )


def _answer(response: WebhookResponse) -> web.Response:
    charset = "; charset=utf-8" if response.media_type.startswith("text/") else ""
    headers = {**response.headers, "Content-Type": response.media_type + charset}
    return web.Response(status=response.status, body=response.body, headers=headers)


def _address(event: InboundEvent) -> Any:
    from shared.messages import Address

    return Address(tenant=event.tenant, channel=event.channel, account=event.account, chat=event.chat)


def _no_http() -> Any:
    raise AssertionError("the web chat makes no calls")


def new_id() -> str:
    """An id as the page makes one."""
    return ids.fresh()

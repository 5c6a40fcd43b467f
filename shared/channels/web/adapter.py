"""The built-in web chat as a channel: its page polls, so a reply is sent by the very write that publishes it."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from shared.channels.web import mapping, transfer
from shared.channels.web.front import answer_asset, answer_page
from shared.channels.web.gate import Gate
from shared.channels.web.session import Sessions
from shared.channels.web.settings import SignIn, WebSettings
from shared.messages import Address, Attachment, OutboundMessage, Progress, Refused, Unreadable
from shared.ports import Capabilities, Json, Parsed, Parts, Sending, StoredFile, WebhookRequest, WebhookResponse

ACCOUNT = "local"
"""There is one web chat in a deployment."""

SESSION_KEY = "web-session-key"
TERMINAL_TOKEN = "terminal-token"  # noqa: S105  the name of the secret, not the secret


class WebChannel:
    """Translates between the page and Praxos. `open` comes before anything that needs to know who somebody is."""

    name = "web"
    capabilities = Capabilities(sending=Sending.PAGE, idempotent=True)

    def __init__(self, *, parts: Parts, settings: WebSettings) -> None:
        self._parts = parts
        self._settings = settings
        self._opened: Gate | None = None

    async def open(self) -> None:
        """Read the session key and the terminal's token, or make them. Where the platform signs people in: neither."""
        if self._opened is not None:
            return
        key, token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        if self._settings.sign_in is SignIn.COOKIE:
            store = self._parts.secrets()
            key = await store.create(name=SESSION_KEY, value=key)
            token = await store.create(name=TERMINAL_TOKEN, value=token)
        self._opened = Gate(settings=self._settings, sessions=Sessions(key=key), token=token)

    @property
    def _gate(self) -> Gate:
        if self._opened is None:
            raise RuntimeError("the web channel was not opened")
        return self._opened

    # --- as any channel ---------------------------------------------------------------------------------------

    def verify(self, *, request: WebhookRequest) -> None:
        """Check who it is from and that our own page, or the terminal, sent it. Raises Unverified."""
        self._gate.identify(request)

    def parse(self, *, request: WebhookRequest, received_at: datetime) -> Parsed:
        """The event, or a 400 with the reason: the page is ours and tells its reader at once."""
        try:
            event = mapping.to_event(
                request.body,
                person=self._gate.identify(request),
                tenant=self._parts.settings.tenant,
                account=ACCOUNT,
                language=mapping.language(request.headers.get("accept-language", "")),
                received_at=received_at,
            )
        except Unreadable as error:
            return Parsed(response=_json(400, {"error": str(error)}))
        return Parsed(events=(event,), response=_json(200, {"ok": True}))

    def render(self, *, message: OutboundMessage) -> Sequence[Json]:
        """One item of the page."""
        from shared.channels.web.rendering import to_html  # only the stages that answer need to read Markdown

        return (
            {
                "text": message.text,
                "html": to_html(message.text),
                "attachments": [attachment.model_dump(mode="json") for attachment in message.attachments],
                "buttons": [[button.model_dump(mode="json") for button in row] for row in message.buttons],
            },
        )

    async def send(self, *, address: Address, part: Json, key: str, repeat: bool) -> str:
        """Never called: `Sending.PAGE`."""
        raise Refused("the web chat is not called: its page reads what was published")

    async def show(self, *, address: Address, progress: Progress | None, handle: str) -> str:
        """Nothing to call: the page reads the progress record."""
        return handle

    def fetch(self, *, attachment: Attachment) -> AsyncIterator[bytes]:
        """Never needed: what comes from the page is in Files already."""
        raise Refused(f"{attachment.name!r} was not uploaded")

    async def close(self) -> None:
        """There is no connection to let go of."""

    # --- the page ---------------------------------------------------------------------------------------------

    def address(self, *, request: WebhookRequest) -> Address:
        """The chat of whoever asks. Raises Unverified; any other exception counts as it."""
        person = self._gate.identify(request)
        return Address(tenant=self._parts.settings.tenant, channel=self.name, account=ACCOUNT, chat=person.id)

    def page(self, *, request: WebhookRequest) -> WebhookResponse:
        """The page itself."""
        return answer_page(
            request=request,
            settings=self._settings,
            gate=self._gate,
            max_file_bytes=self._parts.settings.max_file_bytes,
        )

    @property
    def terminal_token(self) -> str:
        """What proves to a running host that somebody can read its data folder."""
        return self._gate.token

    def asset(self, *, request: WebhookRequest, name: str) -> WebhookResponse:
        """A file that the page is made of."""
        return answer_asset(request=request, name=name)

    def message_id(self, *, event: str) -> str:
        """The page's own id of the message that an event came from."""
        return mapping.client_id(event)

    def read_upload(self, *, request: WebhookRequest) -> transfer.Upload:
        """The file that somebody sends. Raises Unreadable."""
        return transfer.read_upload(request)

    def answer_file(self, *, file: StoredFile, content: bytes) -> WebhookResponse:
        """A stored file as a browser may have it."""
        return transfer.answer_file(file=file, content=content)


def _json(status: int, body: Json) -> WebhookResponse:
    return WebhookResponse(status=status, body=json.dumps(body).encode(), media_type="application/json")


def build(parts: Parts) -> WebChannel:
    """The web chat, from its settings."""
    return WebChannel(parts=parts, settings=WebSettings.from_environ(parts.environ))

"""The Telegram channel: translates between the Bot API and the domain's words, and decides nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from shared.channels.telegram import signature
from shared.channels.telegram.addressing import Bot
from shared.channels.telegram.mapping import Reader
from shared.channels.telegram.settings import TelegramSettings
from shared.messages import Address, Attachment, OutboundMessage, Progress
from shared.ports import Capabilities, Parsed, Parts, WebhookRequest

if TYPE_CHECKING:
    from shared.channels.telegram.progress import ProgressMessages
    from shared.channels.telegram.transfer import Transfer
    from shared.ports import Json


def build(parts: Parts) -> TelegramChannel:
    """The channel for the bot of the settings. Raises SettingError where they are missing or malformed."""
    return TelegramChannel(parts=parts, settings=TelegramSettings.from_environ(parts.environ))


class TelegramChannel:
    """Implements the port `Channel`. What only sending needs is imported when something is sent."""

    name = "telegram"
    capabilities = Capabilities()

    def __init__(self, *, parts: Parts, settings: TelegramSettings) -> None:
        self._parts = parts
        self._settings = settings
        self._reader = Reader(
            tenant=parts.settings.tenant, bot=Bot(account=settings.account, username=settings.username)
        )

    def verify(self, *, request: WebhookRequest) -> None:
        signature.verify(request.headers, secret=self._settings.secret)

    def parse(self, *, request: WebhookRequest, received_at: datetime) -> Parsed:
        return self._reader.read(request.body, received_at=received_at)

    def render(self, *, message: OutboundMessage) -> Sequence[Json]:
        from shared.channels.telegram.parts import to_parts

        return [part.model_dump(mode="json", exclude_defaults=True) for part in to_parts(message)]

    async def send(self, *, address: Address, part: Json, key: str, repeat: bool) -> str:
        # Telegram takes no idempotency key, so a repeat can only say that it may be one.
        return await self._transfer.send(address=address, part=part, repeat=repeat)

    async def show(self, *, address: Address, progress: Progress | None, handle: str) -> str:
        return await self._progress.show(address=address, progress=progress, handle=handle)

    def fetch(self, *, attachment: Attachment) -> AsyncIterator[bytes]:
        return self._transfer.fetch(attachment)

    async def register(self, *, url: str, commands: Mapping[str, str]) -> Sequence[str]:
        """Tell Telegram where the webhook is and which commands there are; return what is worth telling a person."""
        from shared.channels.telegram.registration import register

        return await register(self._transfer.api, self._settings, url=url, commands=commands)

    async def close(self) -> None:
        """Nothing: the HTTP session belongs to the process."""

    @cached_property
    def _transfer(self) -> Transfer:
        from shared.channels.telegram.client import BotApi
        from shared.channels.telegram.transfer import Transfer

        return Transfer(
            api=BotApi(settings=self._settings, http=self._parts.http),
            files=self._parts.files,
            max_bytes=self._parts.settings.max_file_bytes,
        )

    @cached_property
    def _progress(self) -> ProgressMessages:
        from shared.channels.telegram.progress import ProgressMessages

        return ProgressMessages(api=self._transfer.api, clock=self._parts.clock)

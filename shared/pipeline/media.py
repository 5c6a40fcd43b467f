"""Media: what a person sent as a reference is fetched when its turn comes, not in the webhook."""

from __future__ import annotations

from datetime import timedelta

from shared.conversation.records import KEEP_FINISHED
from shared.messages import Attachment, InboundEvent, Permanent
from shared.pipeline.rooms import Room
from shared.ports import Files
from shared.telemetry import logger

log = logger(__name__)


class Media:
    """Fetches attachments into Files."""

    def __init__(self, *, files: Files) -> None:
        self._files = files

    async def fetch(self, room: Room, event: InboundEvent) -> tuple[Attachment, ...]:
        """The event's attachments, as far as they can be had. Raises Transient where the platform may give them later."""
        return tuple([await self._fetch(room, event, attachment) for attachment in event.attachments])

    async def _fetch(self, room: Room, event: InboundEvent, attachment: Attachment) -> Attachment:
        if attachment.file or not attachment.ref:
            return attachment
        try:
            stored = await self._files.put(
                owner=event.conversation,
                name=attachment.name,
                media_type=attachment.media_type,
                content=room.channel.fetch(attachment=attachment),
                keep=timedelta(seconds=KEEP_FINISHED),
            )
        except Permanent as trouble:
            # The agent is told of a file that it cannot open, and says so.
            log.warning("attachment not fetched", extra={"fields": {"error": type(trouble).__name__}})
            return attachment
        return attachment.model_copy(update={"file": stored.id, "size": stored.size})

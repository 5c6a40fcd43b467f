"""Parts and files on their way: sends the one, fetches the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from shared.channels.telegram.client import ApiRefused, BotApi, Upload
from shared.channels.telegram.parts import MAX_PHOTO_BYTES, MAX_UPLOAD_BYTES, Part
from shared.messages import Address, Attachment, NotTaken, OutcomeUnknown, Refused, Transient
from shared.ports import Files, Json

MAX_DOWNLOAD_BYTES = 20_000_000
"""The Bot API gives no larger file."""
TRIES = 4
"""One call, and one more for each of the three corrections below."""


class Transfer:
    """Sends parts to a chat, and fetches what people attached."""

    def __init__(self, *, api: BotApi, files: Callable[[], Files], max_bytes: int) -> None:
        self.api = api
        self._files = files
        self._download_limit = min(max_bytes, MAX_DOWNLOAD_BYTES)

    async def send(self, *, address: Address, part: Json, repeat: bool) -> str:
        """Send one part; return its message id. Raises NotTaken, OutcomeUnknown or Refused."""
        ready = Part.model_validate(part)
        if repeat:
            ready = ready.labelled()
        chat = int(address.chat)
        upload = await self._upload(ready) if ready.file else None
        if upload and len(upload.content) > MAX_PHOTO_BYTES:
            ready = ready.as_document()
        for _ in range(TRIES):
            try:
                return await self._call(chat, address.thread, ready, upload)
            except ApiRefused as error:
                # A refusal is proof that nothing was taken, so a corrected call can be no duplicate.
                if error.migrated_to is not None:
                    chat = error.migrated_to
                elif (corrected := _corrected(ready, error)) is not None:
                    ready = corrected
                else:
                    raise
        raise Refused(f"{ready.method}: refused after every correction")

    async def _call(self, chat: int, thread: str, part: Part, upload: Upload | None) -> str:
        parameters: Json = {"chat_id": chat, **part.parameters()}
        if thread:
            parameters["message_thread_id"] = int(thread)
        if upload:
            field = "photo" if part.method == "sendPhoto" else "document"
            upload = Upload(field=field, name=upload.name, media_type=upload.media_type, content=upload.content)
        sent = await self.api.call(part.method, parameters, upload=upload)
        return str(sent.get("message_id", "")) if isinstance(sent, dict) else ""

    async def _upload(self, part: Part) -> Upload:
        try:
            content = await self._files().get(id=part.file)
        except Transient as error:
            raise NotTaken(f"the file {part.name!r} cannot be read now: {error}") from error
        if content is None:
            raise Refused(f"the file {part.name!r} is gone")
        if len(content) > MAX_UPLOAD_BYTES:
            raise Refused(f"the file {part.name!r} has {len(content)} bytes; Telegram takes {MAX_UPLOAD_BYTES}")
        return Upload(field="", name=part.name, media_type=part.media_type, content=content)

    async def fetch(self, attachment: Attachment) -> AsyncIterator[bytes]:
        """The bytes of a file that a person sent. Raises NotTaken, or Refused where it is too large or gone."""
        limit = self._download_limit
        if attachment.size is not None and attachment.size > limit:
            raise Refused(f"the file has {attachment.size} bytes; {limit} can be fetched")
        try:
            file = await self.api.call("getFile", {"file_id": attachment.ref})
        except OutcomeUnknown as error:
            raise NotTaken(str(error)) from None
        path = file.get("file_path") if isinstance(file, dict) else None
        if not isinstance(path, str) or ".." in path:
            raise Refused("Telegram gave no path for the file")
        async for chunk in self.api.download(path, limit=limit):
            yield chunk


def _corrected(part: Part, error: ApiRefused) -> Part | None:
    """What to try instead of a part that was refused for its form; None where only its content can be at fault."""
    if error.code != 400:
        return None
    reason = error.description.lower()
    if part.entities and "entit" in reason:
        return part.plain()
    if part.method == "sendPhoto" and ("photo" in reason or "image" in reason):
        return part.as_document()
    return None

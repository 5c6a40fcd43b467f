"""The parts of a message: each is one call of the Bot API, complete but for where it goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared.channels.telegram import utf16
from shared.channels.telegram.rendering import render
from shared.channels.telegram.splitting import Piece, split
from shared.channels.telegram.styled import Styled
from shared.messages import Attachment, Button, ButtonStyle, OutboundMessage
from shared.ports import Json

MAX_TEXT = 4_096
"""UTF-16 code units, counted after the entities were taken out."""
MAX_CAPTION = 1_024
MAX_PHOTO_BYTES = 10_000_000
MAX_UPLOAD_BYTES = 50_000_000
ROW = 8
"""The most buttons that Telegram puts side by side."""
MAX_BUTTONS = 100
REPEAT = "(This may be a repeat.)"

_LABEL = f"\n\n{REPEAT}"
_PHOTOS = frozenset({"image/jpeg", "image/png", "image/webp"})
_STYLES = {ButtonStyle.PRIMARY: "primary", ButtonStyle.DANGER: "danger"}


class Part(BaseModel):
    """One call: `sendMessage` with text and entities, or one that sends a file of ours."""

    model_config = ConfigDict(frozen=True)

    method: Literal["sendMessage", "sendPhoto", "sendDocument"]
    text: str = ""
    entities: tuple[Json, ...] = ()
    file: str = ""
    name: str = ""
    media_type: str = ""
    reply_to: int | None = None
    keyboard: tuple[tuple[Json, ...], ...] = ()

    def parameters(self) -> Json:
        """The call's parameters, but for the chat and the file's bytes."""
        found: Json = {}
        if self.method == "sendMessage":
            found["text"] = self.text
            # A preview makes Telegram fetch an address that a model wrote, with whatever it put into it.
            found["link_preview_options"] = {"is_disabled": True}
        elif self.text:
            found["caption"] = self.text
        if self.entities:
            found["entities"] = list(self.entities)
        if self.reply_to is not None:
            found["reply_parameters"] = {"message_id": self.reply_to, "allow_sending_without_reply": True}
        if self.keyboard:
            found["reply_markup"] = {"inline_keyboard": [list(row) for row in self.keyboard]}
        return found

    def labelled(self) -> Part:
        """The same, with the words that it may be there already: Telegram knows no idempotency key."""
        limit = (MAX_TEXT if self.method == "sendMessage" else MAX_CAPTION) - utf16.length(_LABEL)
        if not self.text:
            return self.model_copy(update={"text": REPEAT})
        if utf16.length(self.text) <= limit:
            return self.model_copy(update={"text": self.text + _LABEL})
        text = self.text[: utf16.fit(self.text, limit)]
        return self.model_copy(update={"text": text + _LABEL, "entities": ()})

    def plain(self) -> Part:
        """The same without entities."""
        return self.model_copy(update={"entities": ()})

    def as_document(self) -> Part:
        """The same as a document: for a picture that Telegram will not show as a photo."""
        return self.model_copy(update={"method": "sendDocument"})


def to_parts(message: OutboundMessage) -> list[Part]:
    """Texts first, then a part for each file; the first one quotes, the last one carries the buttons."""
    keyboard = _keyboard(message.buttons)
    parts = [Part(method="sendMessage", text=piece.text, entities=piece.entities) for piece in _pieces(message.text)]
    parts += [_file_part(attachment) for attachment in message.attachments if attachment.file]
    if keyboard and not parts:
        parts = [Part(method="sendMessage", text="…")]
    if parts and keyboard:
        parts[-1] = parts[-1].model_copy(update={"keyboard": keyboard})
    if parts and _is_message_id(message.reply_to):
        parts[0] = parts[0].model_copy(update={"reply_to": int(message.reply_to)})
    return parts


def _pieces(text: str) -> Sequence[Piece]:
    limit = MAX_TEXT - utf16.length(_LABEL)
    # Markdown that shows nothing, such as the lone definition of a link, is better shown as it stands.
    return split(render(text), limit=limit) or split(Styled(utf16.well_formed(text)), limit=limit)


def _file_part(attachment: Attachment) -> Part:
    photo = attachment.media_type in _PHOTOS and (attachment.size or 0) <= MAX_PHOTO_BYTES
    return Part(
        method="sendPhoto" if photo else "sendDocument",
        file=attachment.file,
        name=attachment.name,
        media_type=attachment.media_type,
    )


def _keyboard(rows: Sequence[Sequence[Button]]) -> tuple[tuple[Json, ...], ...]:
    keyboard: list[tuple[Json, ...]] = []
    room = MAX_BUTTONS
    for row in rows:
        buttons = [_button(button) for button in row[:room]]
        room -= len(buttons)
        keyboard += [tuple(buttons[start : start + ROW]) for start in range(0, len(buttons), ROW)]
    return tuple(keyboard)


def _button(button: Button) -> Json:
    look = {"style": _STYLES[button.style]} if button.style in _STYLES else {}
    return {"text": utf16.well_formed(button.label), "callback_data": button.value, **look}


def _is_message_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19

"""What a message says and holds: its words, and the files beside them."""

from __future__ import annotations

import re

from shared.channels.telegram import utf16
from shared.channels.telegram.wire import Content, File, Location, Message, Origin, PhotoSize, Sticker
from shared.messages import Attachment

QUOTE_LENGTH = 1_000
"""Characters of another message that travel with the reply to it."""
NAME_LENGTH = 200
LINKS = 20
"""The most links behind words that are spelt out."""

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9.+-]{1,60}/[A-Za-z0-9.+-]{1,60}")

# The order matters: Telegram repeats an animation as a document, for clients that know no animations.
_FILES = (
    ("animation", "animation.mp4", "video/mp4"),
    ("document", "document", "application/octet-stream"),
    ("live_photo", "live-photo.mp4", "video/mp4"),
    ("video", "video.mp4", "video/mp4"),
    ("video_note", "video-message.mp4", "video/mp4"),
    ("audio", "audio.mp3", "audio/mpeg"),
    ("voice", "voice.ogg", "audio/ogg"),
)


def attachments(content: Content) -> tuple[Attachment, ...]:
    """The file that a message holds, if it holds one: by reference, nothing is fetched."""
    for field, name, media_type in _FILES:
        file: File | None = getattr(content, field)
        if file:
            return (_attachment(file, name=name, media_type=media_type),)
    if content.photo:
        return (_attachment(_largest(content.photo), name="photo.jpg", media_type="image/jpeg"),)
    if content.sticker:
        name, media_type = _sticker_format(content.sticker)
        return (_attachment(content.sticker, name=name, media_type=media_type),)
    return ()


def words(content: Content) -> str:
    """The text or caption of a message; what has neither, in words."""
    said = content.text or content.caption
    if said:
        return said
    if content.sticker:
        return content.sticker.emoji
    if content.venue:
        return f"Place: {content.venue.title}, {content.venue.address} ({_degrees(content.venue.location)})"
    if content.location:
        return f"Location: {_degrees(content.location)}"
    if content.contact:
        name = f"{content.contact.first_name} {content.contact.last_name}".strip()
        return f"Contact: {name}, {content.contact.phone_number}"
    if content.poll:
        return "\n".join([f"Poll: {content.poll.question}", *(f"- {option.text}" for option in content.poll.options)])
    if content.dice:
        return f"{content.dice.emoji} {content.dice.value}"
    return ""


def hidden_links(content: Content) -> str:
    """The addresses behind words of the text, one a line: nobody could follow them otherwise."""
    text, entities = (content.text, content.entities) if content.text else (content.caption, content.caption_entities)
    if not entities:
        return ""
    links = [entity for entity in entities if entity.type == "text_link" and entity.url and entity.url not in text]
    return "\n".join(f"{utf16.cut(text, link.offset, link.offset + link.length)}: {link.url}" for link in links[:LINKS])


def quoted(message: Message, *, account: str) -> str:
    """What the message replies to, as a Markdown quotation; empty where it replies to nothing, or to us as a whole."""
    if message.quote and message.quote.is_manual:
        text = message.quote.text
    elif foreign := replied_to(message, account=account):
        text = words(foreign)
    else:
        return ""
    text = text.replace("\0", "").strip()
    if len(text) > QUOTE_LENGTH:
        text = text[:QUOTE_LENGTH] + "…"
    return "\n".join(f"> {line}" for line in text.splitlines())


def replied_to(message: Message, *, account: str) -> Content | None:
    """The message of somebody else that this one replies to: what the assistant said itself, it knows."""
    replied = message.reply_to_message
    if replied is None or replied.forum_topic_created is not None:
        return None
    return None if replied.sender and str(replied.sender.id) == account else replied


def origin(origin: Origin) -> str:
    """Who wrote a forwarded message first."""
    if origin.sender_user:
        return origin.sender_user.name
    chat = origin.sender_chat or origin.chat
    return (chat.title if chat else origin.sender_user_name) or "somebody"


def _attachment(file: File, *, name: str, media_type: str) -> Attachment:
    given = file.file_name.replace("\\", "/").rpartition("/")[2].strip()
    return Attachment(
        name=given[-NAME_LENGTH:] or name,
        media_type=file.mime_type if _MEDIA_TYPE.fullmatch(file.mime_type) else media_type,
        size=file.file_size,
        ref=file.file_id,
    )


def _largest(sizes: list[PhotoSize]) -> PhotoSize:
    return max(sizes, key=lambda size: size.width * size.height)


def _sticker_format(sticker: Sticker) -> tuple[str, str]:
    if sticker.is_animated:
        return "sticker.tgs", "application/x-tgsticker"
    if sticker.is_video:
        return "sticker.webm", "video/webm"
    return "sticker.webp", "image/webp"


def _degrees(location: Location) -> str:
    return f"latitude {location.latitude:.6f}, longitude {location.longitude:.6f}"

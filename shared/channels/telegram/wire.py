"""The part of Telegram's update that is read, field for field as the Bot API names it. What else comes is ignored."""

# No annotations from the future: pydantic would compile each from its text, at every start.
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.channels.telegram.utf16 import well_formed

Text = Annotated[str, AfterValidator(well_formed)]
"""Text that entities point into: its length in UTF-16 code units stays as it was."""
Label = Annotated[str, AfterValidator(lambda text: well_formed(text).replace("\0", ""))]
Id = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = Annotated[int, Field(ge=0, le=253_402_300_799)]
"""A Unix time that a datetime can hold."""
Degrees = Annotated[float, Field(ge=-360, le=360, allow_inf_nan=False)]


class Wire(BaseModel):
    """An object of the Bot API."""

    # Built once, with the whole that they are parts of: each by itself would be a tenth of a cold start.
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, defer_build=True)


class User(Wire):
    """A person or a bot."""

    id: Id
    is_bot: bool = False
    first_name: Label = ""
    last_name: Label = ""
    username: Label = ""
    language_code: Label = ""

    @property
    def name(self) -> str:
        """The name that others see."""
        return f"{self.first_name} {self.last_name}".strip() or self.username


class Chat(Wire):
    """A private chat, a group, a supergroup or a channel."""

    id: Id
    type: Label
    title: Label = ""


class Entity(Wire):
    """A special piece of a text; offset and length count UTF-16 code units."""

    type: Label
    offset: Count
    length: Count
    user: User | None = None
    url: Label = ""


class File(Wire):
    """What photos, documents, voice messages and the rest have in common."""

    file_id: Label
    file_size: Count | None = None
    file_name: Label = ""
    mime_type: Label = ""


class PhotoSize(File):
    """One of the sizes that Telegram made of a photo."""

    width: Count = 0
    height: Count = 0


class Sticker(File):
    """A sticker: a picture, an animation or a video."""

    emoji: Label = ""
    is_animated: bool = False
    is_video: bool = False


class Location(Wire):
    """A point on the map; with a `live_period` (seconds), one that moves."""

    latitude: Degrees
    longitude: Degrees
    live_period: Count | None = None


class Venue(Wire):
    """A place with a name."""

    location: Location
    title: Label
    address: Label = ""


class Contact(Wire):
    """A person's card."""

    phone_number: Label
    first_name: Label
    last_name: Label = ""


class Dice(Wire):
    """A die, a dart or the like, thrown by Telegram."""

    emoji: Label
    value: Id


class PollOption(Wire):
    """One answer of a poll."""

    text: Label


class Poll(Wire):
    """A poll."""

    question: Label
    options: list[PollOption] = Field(default_factory=list)


class Quote(Wire):
    """The piece of the replied-to message that was picked out, by the person where `is_manual`."""

    text: Label
    is_manual: bool = False


class Origin(Wire):
    """Where a forwarded message comes from: one of the four is there."""

    sender_user: User | None = None
    sender_user_name: Label = ""
    sender_chat: Chat | None = None
    chat: Chat | None = None


class Content(Wire):
    """What a message holds, and so does one that is replied to."""

    sender: User | None = Field(None, alias="from")
    sender_chat: Chat | None = None
    text: Text = ""
    entities: list[Entity] = Field(default_factory=list)  # a default would be copied for each message
    caption: Text = ""
    caption_entities: list[Entity] = Field(default_factory=list)
    photo: list[PhotoSize] = Field(default_factory=list)
    document: File | None = None
    animation: File | None = None
    video: File | None = None
    video_note: File | None = None
    live_photo: File | None = None
    audio: File | None = None
    voice: File | None = None
    sticker: Sticker | None = None
    location: Location | None = None
    venue: Venue | None = None
    contact: Contact | None = None
    dice: Dice | None = None
    poll: Poll | None = None
    forum_topic_created: object = None
    """In a topic, every message replies at least to the notice which opened the topic, and says this of it."""


class Message(Content):
    """A message, new or edited."""

    message_id: Id
    date: Seconds
    edit_date: Seconds | None = None
    chat: Chat
    message_thread_id: Id | None = None
    is_topic_message: bool = False
    is_automatic_forward: bool = False
    forward_origin: Origin | None = None
    reply_to_message: Content | None = None
    quote: Quote | None = None


class PressedMessage(Wire):
    """The message under which a button was pressed; of one that is too old, only its chat and id are known."""

    message_id: Id
    chat: Chat
    message_thread_id: Id | None = None
    is_topic_message: bool = False


class Press(Wire):
    """A callback query."""

    id: Label
    sender: User = Field(alias="from")
    message: PressedMessage
    data: Label

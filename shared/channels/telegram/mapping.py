"""From Telegram's update to inbound events, and to what the webhook answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from shared import ids
from shared.channels.telegram import addressing, content
from shared.channels.telegram.addressing import Bot
from shared.channels.telegram.kinds import IGNORED_UPDATES, NOTICES, READ_UPDATES, UNSEEN
from shared.channels.telegram.wire import Message, Press, PressedMessage, Wire
from shared.messages import EventKind, InboundEvent, Sender, Unreadable
from shared.ports import Parsed, WebhookResponse

if TYPE_CHECKING:
    from shared.ports import Json

CHANNEL = "telegram"
MAX_UPDATE_BYTES = 1024 * 1024
"""Far above any real update: a text has at most 4,096 characters."""

_Wire = TypeVar("_Wire", bound=Wire)
_Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the updates of one bot."""

    tenant: str
    bot: Bot

    def read(self, body: bytes, *, received_at: datetime) -> Parsed:
        """What a verified body means. Never raises: what cannot be understood becomes an UNREADABLE event.

        The answer is always a 200: Telegram holds back a chat's later updates until one that failed has passed.
        """
        update: _Json = {}
        try:
            update = _json_object(body)
            event = self._event(update, received_at=received_at)
        except Unreadable as error:
            event = self._unreadable(body, update, reason=str(error), received_at=received_at)
        return Parsed(events=[event] if event else [], response=_answer(update))

    def _event(self, update: _Json, *, received_at: datetime) -> InboundEvent | None:
        update_id = _integer(update, "update_id")
        if update_id is None:
            raise Unreadable("update_id: missing or not an integer")
        kind = next((kind for kind in READ_UPDATES if kind in update), None)
        if kind == "callback_query":
            return self._press(update_id, _validated(Press, update, kind), received_at=received_at)
        if kind:
            if not NOTICES.isdisjoint(_object(update, kind)):
                return None
            message = _validated(Message, update, kind)
            return self._message(update_id, message, raw=_object(update, kind), kind=kind, received_at=received_at)
        if IGNORED_UPDATES.isdisjoint(update):
            raise Unreadable("a kind of update that is not known")
        return None

    def _message(
        self, update_id: int, message: Message, *, raw: _Json, kind: str, received_at: datetime
    ) -> InboundEvent | None:
        edited = kind == "edited_message"
        if not _is_said_by_a_person(message) or (edited and message.location and message.location.live_period):
            return None
        group = _is_group(message.chat.type)
        said = content.words(message)
        addressed = addressing.in_group(message, said, bot=self.bot) if group else addressing.in_private(said)
        if not addressed.for_us:
            return None
        files = content.attachments(message)
        if not (said or files):
            addressed = addressing.in_private(_unseen(raw))
        replied_to = content.replied_to(message, account=self.bot.account)
        return InboundEvent(
            **self._envelope(update_id, message.chat.id, _thread(message)),
            kind=EventKind.EDITED if edited else EventKind.MESSAGE,
            sender=_sender(message),
            text=self._with_context(message, addressed.text),
            attachments=files + (content.attachments(replied_to) if replied_to else ()),
            group=group,
            message=str(message.message_id),
            sent_at=datetime.fromtimestamp(message.edit_date or message.date, UTC),
            received_at=received_at,
        )

    def _with_context(self, message: Message, text: str) -> str:
        if links := content.hidden_links(message):
            text = f"{text}\n\n{links}"
        text = text.replace("\0", "")
        if message.forward_origin:
            # Also keeps a forwarded `/new` from being a command of whoever forwards it.
            return f"(Forwarded from {content.origin(message.forward_origin)}:)\n{text}"
        quotation = "" if text.startswith("/") else content.quoted(message, account=self.bot.account)
        return f"{quotation}\n\n{text}" if quotation else text

    def _press(self, update_id: int, press: Press, *, received_at: datetime) -> InboundEvent:
        return InboundEvent(
            **self._envelope(update_id, press.message.chat.id, _thread(press.message)),
            kind=EventKind.PRESS,
            sender=Sender(
                external_id=str(press.sender.id), name=press.sender.name, language=press.sender.language_code
            ),
            button=press.data,
            group=_is_group(press.message.chat.type),
            message=str(press.message.message_id),
            received_at=received_at,
        )

    def _unreadable(self, body: bytes, update: _Json, *, reason: str, received_at: datetime) -> InboundEvent:
        """The event for a body that could not be understood, with as much of its place as can be read."""
        update_id = _integer(update, "update_id")
        provider_id: int | str = f"body-{hashlib.sha256(body).hexdigest()[:40]}" if update_id is None else update_id
        happened = next((part for kind in READ_UPDATES if (part := _object(update, kind))), {})
        message = _object(happened, "message") if "callback_query" in update else happened
        chat = _object(message, "chat")
        chat_id = _integer(chat, "id")
        thread = _integer(message, "message_thread_id") if message.get("is_topic_message") is True else None
        sender = _integer(_object(happened, "from"), "id")
        return InboundEvent(
            **self._envelope(provider_id, chat_id, "" if thread is None or chat_id is None else str(thread)),
            kind=EventKind.UNREADABLE,
            sender=Sender(external_id="" if sender is None else str(sender)),
            group=_is_group(chat.get("type")),
            reason=reason,
            received_at=received_at,
        )

    def _envelope(self, provider_id: int | str, chat: int | None, thread: str) -> Json:
        bot = {"tenant": self.tenant, "channel": CHANNEL, "account": self.bot.account}
        event = ids.event(**bot, provider_id=str(provider_id))
        return {**bot, "id": event, "chat": "" if chat is None else str(chat), "thread": thread}


def _answer(update: _Json) -> WebhookResponse:
    """A pressed button spins until its query is answered; the webhook's answer may carry that one call."""
    query = _object(update, "callback_query").get("id")
    if not isinstance(query, str) or not query.isascii() or len(query) > 64:
        return WebhookResponse()
    call = {"method": "answerCallbackQuery", "callback_query_id": query}
    return WebhookResponse(body=json.dumps(call).encode(), media_type="application/json")


def _is_group(chat_type: object) -> bool:
    return chat_type == "group" or chat_type == "supergroup"


def _is_said_by_a_person(message: Message) -> bool:
    if message.chat.type == "channel" or message.is_automatic_forward:
        return False
    # An anonymous administrator writes as a bot of Telegram's, with the group as `sender_chat`.
    return message.sender_chat is not None or not (message.sender and message.sender.is_bot)


def _sender(message: Message) -> Sender:
    if message.sender_chat:
        return Sender(external_id=str(message.sender_chat.id), name=message.sender_chat.title)
    if message.sender is None:
        raise Unreadable("message.from: missing")
    return Sender(external_id=str(message.sender.id), name=message.sender.name, language=message.sender.language_code)


def _thread(message: Message | PressedMessage) -> str:
    """The forum topic. Replies in ordinary groups have a thread id too: those are no conversations of their own."""
    return str(message.message_thread_id) if message.is_topic_message and message.message_thread_id else ""


def _unseen(raw: _Json) -> str:
    for field, in_words in UNSEEN.items():
        if field in raw:
            return f"(Sent {in_words}, which cannot be read here.)"
    raise Unreadable("message: nothing in it is known")


def _json_object(body: bytes) -> _Json:
    if len(body) > MAX_UPDATE_BYTES:
        raise Unreadable(f"{len(body)} bytes are more than any update has")
    try:
        value = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        # Not the error's own words: they can hold a piece of the body.
        raise Unreadable(f"not JSON ({type(error).__name__})") from None
    if not isinstance(value, dict):
        raise Unreadable("not a JSON object")
    return value


def _validated(model: type[_Wire], update: _Json, kind: str) -> _Wire:
    try:
        return model.model_validate(update[kind])
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(step) for step in (kind, *first["loc"]))
        raise Unreadable(f"{where}: {first['type']}") from None


def _object(value: _Json, field: str) -> _Json:
    found = value.get(field)
    return found if isinstance(found, dict) else {}


def _integer(value: _Json, field: str) -> int | None:
    found = value.get(field)
    return found if type(found) is int and -(2**63) <= found < 2**63 else None

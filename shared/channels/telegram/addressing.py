"""Whom a message in a group is for, and its text without what only says so."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.channels.telegram import utf16
from shared.channels.telegram.wire import Entity, Message

_COMMAND = re.compile(r"(/[A-Za-z0-9_]{1,64})(?:@([A-Za-z0-9_]{1,64}))?(?=\s|$)")
_GAP = re.compile(r"[ \t]{2,}")


@dataclass(frozen=True, slots=True)
class Bot:
    """Ourselves. Without a `username`, every name that ends in `bot`, as bots' names do, is taken for ours."""

    account: str
    username: str = ""

    def is_called(self, name: str) -> bool:
        """True where `@name` means us."""
        name = name.lower()
        return name == self.username.lower() if self.username else name.endswith("bot")


@dataclass(frozen=True, slots=True)
class Addressed:
    """The text without `@bot`, and whether the message is meant for us."""

    text: str
    for_us: bool


def in_private(text: str) -> Addressed:
    """A private chat's message: always for us. The menu may write `/help@bot`; that means `/help`."""
    return Addressed(text=_COMMAND.sub(r"\1", text, count=1) if _COMMAND.match(text) else text, for_us=True)


def in_group(message: Message, text: str, *, bot: Bot) -> Addressed:
    """A group's message is for us where it is a command, mentions us or replies to us."""
    entities = message.entities if message.text else message.caption_entities
    mentions = [entity for entity in entities if _mentions(entity, text, bot)]
    bare = _without(text, mentions) if mentions else text
    command = _COMMAND.match(bare)
    if command and command[2] and not bot.is_called(command[2]):
        return Addressed(text=bare, for_us=False)
    if command:
        return Addressed(text=command[1] + bare[command.end() :], for_us=True)
    # Somebody who says nothing but our name says our name.
    return Addressed(text=bare or text, for_us=bool(mentions) or _replies(message, bot))


def _mentions(entity: Entity, text: str, bot: Bot) -> bool:
    if entity.type == "text_mention":
        return entity.user is not None and str(entity.user.id) == bot.account
    if entity.type != "mention":
        return False
    name = utf16.cut(text, entity.offset, entity.offset + entity.length)
    return name.startswith("@") and bot.is_called(name[1:])


def _replies(message: Message, bot: Bot) -> bool:
    replied = message.reply_to_message
    if replied is None or replied.sender is None:
        return False
    # In a topic that we opened, every message hangs below our notice of it.
    return str(replied.sender.id) == bot.account and replied.forum_topic_created is None


def _without(text: str, mentions: list[Entity]) -> str:
    kept = []
    end = 0
    for entity in sorted(mentions, key=lambda entity: entity.offset):
        kept.append(utf16.cut(text, end, max(end, entity.offset)))
        end = max(end, entity.offset + entity.length)
    kept.append(utf16.cut(text, end, utf16.length(text)))
    return _GAP.sub(" ", "".join(kept)).lstrip(" \t\n,:").rstrip()

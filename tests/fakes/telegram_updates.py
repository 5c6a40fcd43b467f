"""Updates as Telegram delivers them, written for these tests."""

from __future__ import annotations

import copy
import itertools
import json
import re
from typing import Any

from shared.ports import WebhookRequest

BOT_ID = 4242
TOKEN = f"{BOT_ID}:AAE-not_a_real_token"
SECRET = "a-secret_for-tests"
BOT = {"id": BOT_ID, "is_bot": True, "first_name": "Praxos", "username": "praxos_bot"}
ANNA = {"id": 77, "is_bot": False, "first_name": "Anna", "last_name": "Ito", "username": "anna", "language_code": "de"}
BEN = {"id": 78, "is_bot": False, "first_name": "Ben"}
PRIVATE = {"id": 77, "type": "private", "first_name": "Anna"}
GROUP = {"id": -100500, "type": "supergroup", "title": "Team"}
DATE = 1_772_366_400

Json = dict[str, Any]

_numbers = itertools.count(1)
_ENTITIES = {"bot_command": re.compile(r"(?<!\S)/\w+(@\w+)?"), "mention": re.compile(r"@\w+")}


def entities(text: str) -> list[Json]:
    """The commands and mentions in a text, as Telegram marks them."""
    found = []
    for kind, pattern in _ENTITIES.items():
        for match in pattern.finditer(text):
            start, end = (len(text[:index].encode("utf-16-le")) // 2 for index in match.span())
            if not any(one["offset"] <= start < one["offset"] + one["length"] for one in found):
                found.append({"type": kind, "offset": start, "length": end - start})
    return found


def message(text: str | None = None, *, chat: Json = PRIVATE, sender: Json | None = ANNA, **fields: Any) -> Json:
    """A message; `fields` are the Bot API's own."""
    number = next(_numbers)
    body: Json = {"message_id": number, "date": DATE, "chat": chat}
    if sender:
        body["from"] = sender
    if text is not None:
        body["text"] = text
        if marked := entities(text):
            body["entities"] = marked
    return copy.deepcopy({**body, **fields})


def update(content: Json, *, kind: str = "message", update_id: int | None = None) -> Json:
    """An update of a kind."""
    return {"update_id": next(_numbers) + 900_000_000 if update_id is None else update_id, kind: content}


def text(words: str, **fields: Any) -> Json:
    """The update for a plain text message."""
    return update(message(words, **fields))


def press(data: str, *, chat: Json = PRIVATE, sender: Json = ANNA, **fields: Any) -> Json:
    """The update for a pressed button."""
    pressed = message("Choose", chat=chat, sender=BOT, **fields)
    query = {"id": "4382bfdwdsb323b2d9", "from": dict(sender), "chat_instance": "-1", "message": pressed, "data": data}
    return update(query, kind="callback_query")


def request(body: Json | bytes, *, secret: str | None = SECRET) -> WebhookRequest:
    """The webhook request that delivers an update."""
    headers = {"content-type": "application/json"}
    if secret is not None:
        headers["x-telegram-bot-api-secret-token"] = secret
    return WebhookRequest(
        method="POST",
        url="https://praxos.example/api/webhooks/telegram",
        headers=headers,
        query={},
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
    )

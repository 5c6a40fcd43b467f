"""The limits that Telegram's servers enforce and its specification only describes in words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.fakes.bot_api_specification import UploadedFile

_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_TO_A_CHAT = {"sendMessage", "sendPhoto", "sendDocument", "editMessageText", "deleteMessage", "sendChatAction"}
_LITERAL = {"code", "pre"}


def broken(method: str, parameters: Mapping[str, Any]) -> str:
    """Telegram's description of what is wrong with the call; empty where it would take it."""
    chat = parameters.get("chat_id", "" if method in _TO_A_CHAT else "0")
    if not re.fullmatch(r"-?\d+|@\w+", str(chat)):
        return "Bad Request: chat not found"
    if method in {"sendMessage", "editMessageText"}:
        text = str(parameters.get("text", ""))
        return _text(text, 4096) or _entities(text, parameters.get("entities", [])) or _keyboard(parameters)
    if method in {"sendPhoto", "sendDocument"}:
        return _file(method, parameters) or _keyboard(parameters)
    other = _OTHER.get(method)
    return other(parameters) if other else ""


def units(text: str) -> int:
    """UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _text(text: str, limit: int) -> str:
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "Bad Request: strings must be encoded in UTF-8"
    if not text.strip():
        return "Bad Request: message text is empty"
    return "Bad Request: message is too long" if units(text) > limit else ""


def _entities(text: str, entities: Sequence[Mapping[str, Any]]) -> str:
    if len(entities) > 100:
        return "Bad Request: more than 100 entities"
    encoded = text.encode("utf-16-le")
    placed = []
    for entity in entities:
        start = entity.get("offset", -1)
        end = start + entity.get("length", 0)
        if not 0 <= start < end <= units(text):
            return f"Bad Request: can't parse entities: {entity['type']} at {start}-{end} is outside of the text"
        try:
            encoded[2 * start : 2 * end].decode("utf-16-le")
        except UnicodeDecodeError:
            return f"Bad Request: can't parse entities: {entity['type']} at {start}-{end} cuts a character"
        placed.append((start, end, entity["type"]))
    return _nesting(placed)


def _nesting(placed: Sequence[tuple[int, int, str]]) -> str:
    open_: list[tuple[int, int, str]] = []
    for start, end, kind in sorted(placed, key=lambda one: (one[0], -one[1], one[2] in _LITERAL)):
        open_ = [one for one in open_ if one[1] > start]
        for _, outer_end, outer in open_:
            if end > outer_end:
                return f"Bad Request: can't parse entities: {kind} crosses the end of {outer}"
            if outer == kind or outer in _LITERAL or (kind in _LITERAL and outer != "blockquote"):
                return f"Bad Request: can't parse entities: {kind} inside {outer}"
        open_.append((start, end, kind))
    return ""


def _keyboard(parameters: Mapping[str, Any]) -> str:
    markup = parameters.get("reply_markup") or {}
    rows = (json.loads(markup) if isinstance(markup, str) else markup).get("inline_keyboard", [])
    buttons = [button for row in rows for button in row]
    if len(buttons) > 100 or any(len(row) > 8 for row in rows):
        return "Bad Request: reply markup is too long"
    for button in buttons:
        if not button.get("text"):
            return "Bad Request: inline keyboard button text is empty"
        if not 1 <= len(button.get("callback_data", "x").encode()) <= 64:
            return "Bad Request: BUTTON_DATA_INVALID"
    return ""


def _file(method: str, parameters: Mapping[str, Any]) -> str:
    field, limit = ("photo", 10_000_000) if method == "sendPhoto" else ("document", 50_000_000)
    file = parameters.get(field)
    if isinstance(file, UploadedFile):
        if not file.content:
            return "Bad Request: file must be non-empty"
        if len(file.content) > limit:
            return "Request Entity Too Large"
    return "Bad Request: message caption is too long" if units(str(parameters.get("caption", ""))) > 1024 else ""


def _callback_answer(parameters: Mapping[str, Any]) -> str:
    return "Bad Request: MESSAGE_TOO_LONG" if units(str(parameters.get("text", ""))) > 200 else ""


def _commands(parameters: Mapping[str, Any]) -> str:
    commands = parameters.get("commands", [])
    if len(commands) > 100:
        return "Bad Request: too many commands"
    for command in commands:
        if not _COMMAND.fullmatch(command["command"]) or not 1 <= len(command["description"]) <= 256:
            return "Bad Request: BOT_COMMAND_INVALID"
    return ""


def _webhook(parameters: Mapping[str, Any]) -> str:
    if not str(parameters.get("url", "")).startswith("https://"):
        return "Bad Request: bad webhook: An HTTPS URL must be provided for webhook"
    if not _SECRET.fullmatch(parameters.get("secret_token", "x")):
        return "Bad Request: secret token contains unallowed characters"
    return "" if 1 <= parameters.get("max_connections", 40) <= 100 else "Bad Request: bad max_connections"


_OTHER = {"answerCallbackQuery": _callback_answer, "setMyCommands": _commands, "setWebhook": _webhook}

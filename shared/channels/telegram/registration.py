"""Tells Telegram where the webhook is and which commands the bot has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from shared.channels.telegram.client import BotApi
from shared.channels.telegram.kinds import READ_UPDATES
from shared.channels.telegram.settings import TelegramSettings
from shared.messages import SettingError

PATH = "/api/webhooks/telegram"
PORTS = frozenset({443, 80, 88, 8443})
"""The only ports that Telegram's own servers deliver to."""
DESCRIPTION_LENGTH = 256


async def register(api: BotApi, settings: TelegramSettings, *, url: str, commands: Mapping[str, str]) -> Sequence[str]:
    """Register the webhook and the command menu; repeat it at will. Raises SettingError, or what a call raises."""
    address = webhook_address(url)
    me = await api.call("getMe", {})
    bot = me if isinstance(me, dict) else {}
    await api.call(
        "setWebhook",
        {
            "url": address,
            "secret_token": settings.secret.get_secret_value(),
            "allowed_updates": list(READ_UPDATES),
            "max_connections": settings.max_connections,
        },
    )
    menu = [{"command": name, "description": text[:DESCRIPTION_LENGTH]} for name, text in commands.items()]
    await api.call("setMyCommands", {"commands": menu})
    lines = [
        f"Telegram delivers to {address}",
        f"The menu shows {', '.join(f'/{name}' for name in commands)}",
    ]
    username = str(bot.get("username", ""))
    if username and username.lower() != settings.username.lower():
        lines.append(f"For mentions in groups, set TELEGRAM_BOT_USERNAME={username}")
    if bot.get("can_read_all_group_messages") is True:
        lines.append("Privacy mode is off: Telegram also delivers what is not for the bot; it is dropped unread")
    return lines


def webhook_address(url: str) -> str:
    """The webhook's full address, from it or from the address of the deployment alone. Raises SettingError."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port or 443
    except ValueError:
        raise SettingError(f"--url is wrong: {url!r} is no address") from None
    if parts.scheme != "https" or not parts.hostname:
        raise SettingError("--url is wrong: Telegram delivers to an https:// address only")
    if port not in PORTS:
        raise SettingError(f"--url is wrong: Telegram delivers to the ports 443, 80, 88 and 8443 only, not to {port}")
    if parts.path.rstrip("/").endswith(PATH):
        return url.strip()
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}{PATH}"

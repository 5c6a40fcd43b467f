"""Which tools may be called: by default all, and those that destroy something only after asking."""

from __future__ import annotations

from collections.abc import Collection

from shared.access.records import User
from shared.ports import Effect, Permission
from shared.settings import Settings


class ToolPolicy:
    """The rules of the settings: deny wins, then ask, then allow, then what the tool does to the world."""

    def __init__(self, settings: Settings) -> None:
        self._deny = _names(settings.tools_deny)
        self._ask = _names(settings.tools_ask)
        self._allow = _names(settings.tools_allow)

    def permission(self, *, tool: str, effect: Effect, user: User) -> Permission:
        """Whether a user's run may call a tool."""
        if tool in self._deny:
            return Permission.DENY
        if tool in self._ask:
            return Permission.ASK
        if tool in self._allow:
            return Permission.ALLOW
        return Permission.ASK if effect is Effect.DESTRUCTIVE else Permission.ALLOW

    def unknown(self, tools: Collection[str]) -> list[str]:
        """The names in the rules that no tool has: likely misspelt, so a rule that protects nothing."""
        return sorted((self._deny | self._ask | self._allow) - set(tools))


def _names(setting: str) -> frozenset[str]:
    return frozenset(name.strip() for name in setting.split(",") if name.strip())

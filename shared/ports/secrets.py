"""Secrets by name."""

from __future__ import annotations

from typing import Protocol


class SecretStore(Protocol):
    """Secrets by name. The names are made by `shared.ids.secret`."""

    async def get(self, *, name: str, version: str = "") -> str | None:
        """The secret's value; None when there is none.

        It may be as old as an hour where another process changed it. Who keeps a version of it in the store names that
        one: a value that was kept under another version is read again.
        """

    async def create(self, *, name: str, value: str) -> str:
        """Keep the value if there is none yet; return the one that is there now."""

    async def put(self, *, name: str, value: str) -> None:
        """Overwrite."""

    async def disable(self, *, name: str) -> None:
        """Make it unreadable. Names are never deleted: Key Vault blocks a deleted name for up to 90 days."""

    async def close(self) -> None:
        """Let go of connections."""

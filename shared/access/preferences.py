"""What a user set about themselves."""

from __future__ import annotations

from shared.access.people import People


class UserPreferences:
    """The Preferences port of one user."""

    def __init__(self, *, people: People, user: str) -> None:
        self._people = people
        self._user = user

    async def set_time_zone(self, *, name: str) -> None:
        """Keep an IANA zone name."""
        await self._people.change(self._user, lambda known: known.with_(time_zone=name))

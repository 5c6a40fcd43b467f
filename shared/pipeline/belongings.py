"""What a person has: it moves along when two users turn out to be the same person."""

from __future__ import annotations

from collections.abc import Callable

from shared.conversation.questions import move_open
from shared.conversation.reminders import move_reminders
from shared.ports import Memory, Store

MOST_MEMOS = 500


class Belongings:
    """Moves reminders, open questions and memories."""

    def __init__(self, *, store: Store, memory: Callable[[str], Memory], tenant: str) -> None:
        self._store = store
        self._memory = memory
        self._tenant = tenant

    async def move(self, source: str, target: str) -> None:
        """Give what one user has to another. Safe to do again after a crash: nothing is lost, nothing doubled."""
        await move_reminders(self._store, tenant=self._tenant, source=source, target=target)
        await move_open(self._store, tenant=self._tenant, source=source, target=target)
        old, new = self._memory(source), self._memory(target)
        for memo in await old.recall(limit=MOST_MEMOS):
            await new.remember(key=memo.key, text=memo.text)
            await old.forget(key=memo.key)

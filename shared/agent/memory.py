"""A user's long-term memory, over LangGraph's store interface."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, BaseModel

from shared.ports import Clock, Memo

if TYPE_CHECKING:
    from langgraph.store.base import BaseStore

CONSIDERED = 500
"""How many of a user's memos, the newest, a search looks at."""
_PAGE = 100
_WORD = re.compile(r"\w+")
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a about am an and are as at be but by did do does for from had has have he her his how i in is it its me my of on"
        " or our she that the their them they this to was we were what when where which who whose why with you your",
    )
)
"""Words that say nothing of what a memo is about."""


class _Record(BaseModel):
    """What is stored of a memo."""

    text: str
    written_at: AwareDatetime


class LongTermMemory:
    """Implements the Memory port. Memos live in the namespace (tenant, user, "memory")."""

    def __init__(self, *, store: Callable[[], Awaitable[BaseStore]], tenant: str, user: str, clock: Clock) -> None:
        """`store` gives the open store; it is asked on every call."""
        self._store = store
        self._namespace = (_label(tenant), _label(user), "memory")
        self._clock = clock

    async def remember(self, *, key: str, text: str) -> Memo:
        """Keep a text; the same `key` overwrites."""
        memo = Memo(key=key, text=text, written_at=self._clock.now())
        record = _Record(text=text, written_at=memo.written_at)
        store = await self._store()
        await store.aput(self._namespace, key, record.model_dump(mode="json"))
        return memo

    async def recall(self, *, query: str = "", limit: int = 10) -> Sequence[Memo]:
        """The memos that share words with the query, the best first; all, the newest first, without one."""
        memos = await self._newest(CONSIDERED)
        return (_best(query, memos) if query.strip() else memos)[:limit]

    async def forget(self, *, key: str = "") -> int:
        """Forget one, or everything without a key; return how many."""
        store = await self._store()
        if key:
            found = await store.aget(self._namespace, key)
            if found is not None:
                await store.adelete(self._namespace, key)
            return int(found is not None)
        count = 0
        while items := await store.asearch(self._namespace, limit=_PAGE):
            for item in items:
                await store.adelete(self._namespace, item.key)
            count += len(items)
        return count

    async def _newest(self, count: int) -> list[Memo]:
        store = await self._store()
        items = await store.asearch(self._namespace, limit=count)
        records = [(item.key, _Record.model_validate(item.value)) for item in items]
        memos = [Memo(key=key, text=record.text, written_at=record.written_at) for key, record in records]
        return sorted(memos, key=_written_at, reverse=True)


def _written_at(memo: Memo) -> datetime:
    return memo.written_at


def _label(name: str) -> str:
    # LangGraph refuses a full stop in a namespace's labels.
    return name.replace("%", "%25").replace(".", "%2E")


def _words(text: str) -> set[str]:
    found = {word for word in _WORD.findall(text.casefold()) if word not in _COMMON}
    return {word[:-1] if len(word) > 3 and word.endswith("s") else word for word in found}


def _best(query: str, memos: Sequence[Memo]) -> list[Memo]:
    """Those that share a word with the query. A word counts the more, the fewer memos have it; ties go to the newer."""
    wanted = _words(query)
    held = [(memo, wanted & _words(f"{memo.key} {memo.text}")) for memo in memos]
    common = Counter(word for _, words in held for word in words)
    scored = [(sum(1 / common[word] for word in words), memo) for memo, words in held if words]
    return [memo for _, memo in sorted(scored, key=lambda pair: (pair[0], pair[1].written_at), reverse=True)]

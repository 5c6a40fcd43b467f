"""What a tool call leans on, for tests: the real reminders and files on a temporary folder, a memory in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shared.conversation.reminders import UserReminders
from shared.files.local import LocalFiles
from shared.messages import Address, Attachment, StoreUnavailable
from shared.ports import Memo, Parts, Store, Tool, ToolContext, ToolResult
from shared.registry import build_function
from shared.settings import Settings, Sync
from shared.sqlite import SqliteFile
from shared.storage.sqlite import SCHEMA, VERSION, SqliteStore
from tests.fakes.clock import ManualClock

ADDRESS = Address(tenant="main", channel="fake", account="bot", chat="chat")


def parts(home: Path, clock: ManualClock | None = None) -> Parts:
    """Parts of which only the settings and the clock may be used."""

    def absent() -> None:
        raise AssertionError("not for this test")

    return Parts(
        settings=Settings.model_validate({"PRAXOS_HOME": home}),
        environ={},
        clock=clock or ManualClock(),
        http=absent,
        files=absent,
        secrets=absent,
    )


def tools(home: Path, *names: str) -> dict[str, Tool]:
    """The tools of the registry's modules, by their own names."""
    return {tool.name: tool for name in names for tool in build_function("tools", name)(parts(home))}


class FakeMemory:
    """Remembers in a dictionary; recalls what shares a word with the query."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.memos: dict[str, Memo] = {}

    async def remember(self, *, key: str, text: str) -> Memo:
        self.memos[key] = Memo(key=key, text=text, written_at=self._clock.now())
        return self.memos[key]

    async def recall(self, *, query: str = "", limit: int = 10) -> Sequence[Memo]:
        words = query.casefold().split()
        found = [
            memo
            for memo in self.memos.values()
            if not words or any(word in f"{memo.key} {memo.text}".casefold() for word in words)
        ]
        return found[:limit]

    async def forget(self, *, key: str = "") -> int:
        count = len(self.memos) if not key else int(key in self.memos)
        for gone in [key] if key else list(self.memos):
            self.memos.pop(gone, None)
        return count


class FakePreferences:
    """Records what was set."""

    def __init__(self) -> None:
        self.zones: list[str] = []

    async def set_time_zone(self, *, name: str) -> None:
        self.zones.append(name)


@dataclass
class Desk:
    """A person's things, and tools to work on them."""

    tools: dict[str, Tool]
    store: Store
    clock: ManualClock
    files: LocalFiles
    memory: FakeMemory
    preferences: FakePreferences = field(default_factory=FakePreferences)
    attachments: tuple[Attachment, ...] = ()
    time_zone: str = "Europe/Berlin"
    calls: int = 0

    def context(self, key: str = "") -> ToolContext:
        self.calls += 1
        return ToolContext(
            key=key or f"call {self.calls}",
            now=self.clock.now(),
            time_zone=self.time_zone,
            user="user",
            conversation=ADDRESS.conversation,
            reminders=self.reminders(),
            memory=self.memory,
            preferences=self.preferences,
            files=self.files,
            attachments=self.attachments,
        )

    def reminders(self, user: str = "user") -> UserReminders:
        return UserReminders(
            store=self.store,
            clock=self.clock,
            tenant="main",
            user=user,
            address=ADDRESS,
            time_zone=self.time_zone,
        )

    async def call(self, tool_name: str, /, *, call_key: str = "", **arguments: object) -> ToolResult:
        """As the agent calls it: arguments of a model, checked."""
        tool = self.tools[tool_name]
        return await tool.call(arguments=tool.arguments.model_validate(arguments), context=self.context(call_key))

    async def text(self, tool_name: str, /, **arguments: object) -> str:
        return (await self.call(tool_name, **arguments)).text


def sqlite_store(home: Path) -> SqliteStore:
    return SqliteStore(
        SqliteFile(home / "store.db", schema=SCHEMA, version=VERSION, sync=Sync.NORMAL, busy=StoreUnavailable)
    )


@asynccontextmanager
async def desk(home: Path, *names: str) -> AsyncIterator[Desk]:
    """A desk with the tools of some modules."""
    clock = ManualClock()
    store = sqlite_store(home)
    files = LocalFiles(home / "files", limit=1_000_000, clock=clock)
    yield Desk(tools=tools(home, *names), store=store, clock=clock, files=files, memory=FakeMemory(clock))
    await store.close()

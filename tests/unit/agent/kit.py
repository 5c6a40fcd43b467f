"""What the agent's tests are made of: tools, a turn's control, questions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from shared.agent.turn import Question, Said
from shared.messages import Attachment
from shared.ports import Effect, StoredFile, Tool, ToolContext, ToolResult
from tests.fakes.clock import ManualClock


class Words(BaseModel):
    """Arguments with one of everything that matters."""

    text: str
    count: int = 1


@dataclass
class FakeTool:
    """A tool that records its calls and does what it is told."""

    name: str = "say"
    description: str = "Says something."
    arguments: type[BaseModel] = Words
    effect: Effect = Effect.READ
    progress: str = "Saying something"
    does: Callable[[Any, ToolContext], Awaitable[ToolResult]] | None = None
    called: list[tuple[Any, ToolContext]] = field(default_factory=list)

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        self.called.append((arguments, context))
        if self.does:
            return await self.does(arguments, context)
        return ToolResult(f"said {arguments.model_dump().get('text')}")


@dataclass
class FakeControl:
    """A turn's control. `refuse` is raised before the step of that number."""

    deadline: float = 1060.0
    shown: list[str] = field(default_factory=list)
    steps: int = 0
    refuse: dict[int, Exception] = field(default_factory=dict)

    async def before_step(self) -> None:
        self.steps += 1
        if self.steps in self.refuse:
            raise self.refuse[self.steps]

    async def progress(self, text: str) -> None:
        self.shown.append(text)


class MemoryFiles:
    """The Files port in memory, as far as the agent reads it."""

    def __init__(self, **contents: tuple[str, str, bytes]) -> None:
        """Each is name, media type and content, under its id."""
        self._contents = contents

    def attachments(self) -> list[Attachment]:
        return [
            Attachment(name=name, media_type=media_type, size=len(content), file=file)
            for file, (name, media_type, content) in self._contents.items()
        ]

    async def describe(self, *, id: str) -> StoredFile | None:
        if id not in self._contents:
            return None
        name, media_type, content = self._contents[id]
        return StoredFile(id=id, name=name, media_type=media_type, size=len(content), owner="c")

    async def get(self, *, id: str) -> bytes | None:
        return self._contents[id][2] if id in self._contents else None


def question(
    text: str = "hello",
    *,
    history: Sequence[Said] = (),
    summary: str = "",
    reminder: bool = False,
    files: MemoryFiles | None = None,
    attachments: Sequence[Attachment] = (),
    clock: ManualClock | None = None,
    time_zone: str = "Europe/Berlin",
    person: str = "Ada",
) -> Question:
    clock = clock or ManualClock()
    files = files or MemoryFiles()

    def context(position: str) -> ToolContext:
        unused: Any = None
        return ToolContext(
            key=f"event#{position}",
            now=clock.now(),
            time_zone=time_zone,
            user="user",
            conversation="conversation",
            reminders=unused,
            memory=unused,
            preferences=unused,
            files=files,  # type: ignore[arg-type]  # the reading half of the port
        )

    return Question(
        event="event",
        text=text,
        attachments=attachments,
        person=person,
        language="en",
        channel="telegram",
        reminder=reminder,
        history=history,
        summary=summary,
        context=context,
    )


def by_name(*tools: FakeTool) -> Sequence[Tool]:
    """The tools as the port's type."""
    return tools

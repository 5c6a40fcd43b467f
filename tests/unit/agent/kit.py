"""What the agent's tests are made of: tools, a turn's control, questions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from shared.agent.assistant import Assistant
from shared.agent.turn import Answer, Budget, Effected, Given, Permission, Pointer, Question, Said, Segment
from shared.conversation.states import EffectState
from shared.messages import Attachment, OutcomeUnknown
from shared.ports import Effect, Json, StoredFile, Tool, ToolContext, ToolResult
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
class RepeatableTool(FakeTool):
    """A tool that writes and may be called again with the same key."""

    repeatable: bool = True


@dataclass
class CheckableTool(FakeTool):
    """A tool that finds out what it did: `found` is a result, None, or what is raised."""

    found: ToolResult | Exception | None = None
    checked: int = 0

    async def check(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult | None:
        self.checked += 1
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@dataclass
class AskingTool(FakeTool):
    """A tool that the person answers."""

    options: Sequence[str] = ()

    def question(self, *, arguments: BaseModel) -> tuple[str, Sequence[str]]:
        return f"{arguments.model_dump()['text']}?", self.options


@dataclass
class FakeLedger:
    """A ledger in memory that records what it was told. `before` is called at every await, with its name."""

    rows: dict[str, Effected] = field(default_factory=dict)
    pointer: Pointer | None = None
    """The one that was accepted last."""
    pointers: list[Pointer] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    before: Callable[[str], Awaitable[None]] | None = None

    async def find(self, *, key: str) -> Effected | None:
        await self._at("find")
        return self.rows.get(key)

    async def start(
        self, *, key: str, tool: str, effect: Effect, arguments: str, attempt: int, pointer: Pointer
    ) -> None:
        await self._at("start")
        self.rows[key] = Effected(state=EffectState.STARTED, attempt=attempt, arguments=arguments)
        self.pointer = pointer
        self.pointers.append(pointer)
        self.told.append(f"started {tool} {attempt}")
        await self._at("started")

    async def finish(self, *, key: str, state: EffectState, result: Json, why: str = "") -> None:
        await self._at("finish")
        old = self.rows[key]
        self.rows[key] = Effected(state=state, attempt=old.attempt, arguments=old.arguments, result=result, why=why)
        self.told.append(state.value)
        await self._at("finished")

    def only(self) -> Effected:
        (row,) = self.rows.values()
        return row

    async def _at(self, point: str) -> None:
        if self.before:
            await self.before(point)


@dataclass
class FakeControl:
    """A segment's control. `refuse` is raised before the step of that number, and `drain_at` is true from it on."""

    shown: list[str] = field(default_factory=list)
    steps: int = 0
    refuse: dict[int, Exception] = field(default_factory=dict)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    arrived: list[Question] = field(default_factory=list)
    """What the person said since."""
    permit: Callable[[str, Json], Permission] = lambda tool, arguments: Permission.ALLOW
    asked_for: list[str] = field(default_factory=list)
    """The tools whose permission was asked for."""
    drain_at: int | None = None

    async def arrivals(self) -> Sequence[Question]:
        taken, self.arrived = self.arrived, []
        return taken

    def waiting(self) -> bool:
        return bool(self.arrived)

    def permission(self, *, tool: str, effect: Effect, arguments: Json) -> Permission:
        self.asked_for.append(tool)
        return self.permit(tool, arguments)

    def draining(self) -> bool:
        return self.drain_at is not None and self.steps >= self.drain_at

    async def before_step(self) -> None:
        self.steps += 1
        if self.steps in self.refuse:
            raise self.refuse[self.steps]

    async def progress(self, text: str) -> None:
        self.shown.append(text)


def segment(
    asked: Question | None = None,
    *,
    accepted: Pointer | None = None,
    answers: Sequence[Given] = (),
    thread: str = "run~1",
    model_calls: int = 10_000,
    tokens: int = 1_000_000,
    afresh: str = "",
) -> Segment:
    """A segment with a large budget."""
    return Segment(
        question=asked or question(),
        thread=thread,
        budget=Budget(model_calls=model_calls, tokens=tokens),
        accepted=accepted,
        answers=answers,
        afresh=afresh,
    )


async def answer(assistant: Assistant, asked: Question | None = None, control: FakeControl | None = None) -> Answer:
    """What the assistant answers in a run of one segment that held nothing."""
    outcome = await assistant.work(segment=segment(asked), control=control or FakeControl())
    assert outcome.answer
    assert outcome.pointer is None
    return outcome.answer


def place(context: ToolContext) -> str:
    """Where in the run a call stands: its key without the id of the model's message, which is a random one."""
    event, _, position = context.key.partition("#")
    return f"{event}#{position.rpartition('.')[2]}"


def unknown(arguments: Any, context: ToolContext) -> Awaitable[ToolResult]:
    """What a tool does whose outcome nobody knows."""
    raise OutcomeUnknown("the answer got lost")


class MemoryFiles:
    """The Files port in memory, as far as the agent uses it."""

    def __init__(self, **contents: tuple[str, str, bytes]) -> None:
        """Each is name, media type and content, under its id."""
        self._contents = contents
        self.owners: list[str] = []
        """Of what was put."""

    def attachments(self) -> list[Attachment]:
        return [
            Attachment(name=name, media_type=media_type, size=len(content), file=file)
            for file, (name, media_type, content) in self._contents.items()
        ]

    async def put(
        self, *, owner: str, name: str, media_type: str, content: bytes | AsyncIterator[bytes], keep: timedelta
    ) -> StoredFile:
        assert isinstance(content, bytes)
        self.owners.append(owner)
        file = f"{len(self._contents):08}-stored"
        self._contents[file] = (name, media_type, content)
        return StoredFile(id=file, name=name, media_type=media_type, size=len(content), owner=owner)

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
    event: str = "event",
) -> Question:
    clock = clock or ManualClock()
    files = files or MemoryFiles()

    def context(position: str) -> ToolContext:
        unused: Any = None
        return ToolContext(
            key=f"{event}#{position}",
            now=clock.now(),
            time_zone=time_zone,
            user="user",
            conversation="conversation",
            reminders=unused,
            memory=unused,
            preferences=unused,
            files=files,  # type: ignore[arg-type]  # all but closing
            attachments=attachments,
        )

    return Question(
        event=event,
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

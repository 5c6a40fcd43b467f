"""The real agent over the real store and the real checkpoints: what a process that froze began is done once, or asked about."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from pydantic import BaseModel

from shared.app import App
from shared.conversation.run_records import EffectRecord, QuestionKind, QuestionRecord
from shared.conversation.states import EffectState, QuestionState
from shared.messages import EventKind
from shared.ports import Effect, ToolContext, ToolResult
from shared.tools.memory import Forgetting
from shared.tools.webhook import Posting
from tests.fakes.world import World

LONGER_THAN_A_LEASE = 31
POST = 'post "hello" to https://example.com/hook'


@dataclass
class FrozenTool:
    """A tool whose first call does not come back before it is let go."""

    name: str
    arguments: type[BaseModel]
    effect: Effect = Effect.WRITE
    description: str = "Does something."
    progress: str = "Doing something"
    calls: int = 0
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        self.calls += 1
        if self.calls == 1:
            self.entered.set()
            await self.let_go.wait()
        return ToolResult("Done.")


def with_agent(app: App, tool: FrozenTool) -> App:
    """A process with the real agent, and one tool."""
    del app.assistant
    app.tools = {tool.name: tool}  # type: ignore[misc]  # a cached property, which tests re-wire by assignment
    return app


class TakenOver:
    """A process is frozen while it works, for longer than its lease; another one goes on in its place."""

    def __init__(self, world: World, tool: FrozenTool) -> None:
        self.world = world
        self.tool = tool
        self.first = with_agent(world.app, tool)

    async def freeze(self, work: asyncio.Task[object]) -> None:
        """Wait until the first process is inside the call; from then on, the world's app is another one."""
        self._work = work
        async with asyncio.timeout(20):
            await self.tool.entered.wait()
        self.world.app = with_agent(self.world.instance(), self.tool)
        await self.world.pass_(seconds=LONGER_THAN_A_LEASE)
        await self.world.app.turns.answer(self.world.bell())
        await self.world.settle()

    async def thaw(self) -> None:
        """The first process comes back and wants to write."""
        self.tool.let_go.set()
        await asyncio.gather(self._work, return_exceptions=True)
        await self.first.close()

    async def press(self, question: QuestionRecord, choice: str) -> None:
        """The person answers."""
        button = f"q:{question.token}:{choice}"
        await self.world.arrive("", n=f"press {choice}", kind=EventKind.PRESS, button=button)
        await self.world.settle()


async def questions(world: World) -> list[QuestionRecord]:
    return [one.record for one in await world.partition().questions(entry=1)]


async def effects(world: World) -> list[EffectRecord]:
    rows = await world.app.store.query(partition=world.partition().key, kind="effect", limit=10)
    return [EffectRecord.model_validate(row.body) for row in rows]


async def test_a_call_that_left_before_the_process_froze_is_asked_about_and_not_made_again(world: World) -> None:
    tool = FrozenTool("post_webhook", Posting)
    process = TakenOver(world, tool)
    await world.arrive(POST)
    try:
        await process.freeze(asyncio.create_task(process.first.turns.answer(world.bell())))
        assert tool.calls == 1, "the call was made again"
        asked = await questions(world)
        assert [one.about for one in asked] == [QuestionKind.UNCERTAIN], "nobody was asked"
    finally:
        await process.thaw()
    [row] = await effects(world)
    assert row.state is EffectState.UNCERTAIN, "what came back too late was written all the same"
    await process.press(asked[0], "drop")
    [row] = await effects(world)
    assert row.state is EffectState.DROPPED
    assert (await world.record()).runs == ()
    assert tool.calls == 1


async def test_the_person_may_want_it_once_more(world: World) -> None:
    tool = FrozenTool("post_webhook", Posting)
    process = TakenOver(world, tool)
    await world.arrive(POST)
    await process.freeze(asyncio.create_task(process.first.turns.answer(world.bell())))
    await process.thaw()
    [question] = await questions(world)
    await process.press(question, "repeat")
    [row] = await effects(world)
    assert (row.state, row.attempt, tool.calls) == (EffectState.DONE, 2, 2)
    assert (await world.record()).runs == ()


async def test_an_answer_is_applied_again_after_a_crash_before_anything_is_asked(world: World) -> None:
    """The process freezes when the approved call has left: the next one needs the same approval, and does not ask for it."""
    tool = FrozenTool("forget", Forgetting, Effect.DESTRUCTIVE)
    process = TakenOver(world, tool)
    await world.arrive("forget everything")
    await world.settle()
    [question] = await questions(world)
    assert question.about is QuestionKind.APPROVAL
    await world.arrive("", n="press", kind=EventKind.PRESS, button=f"q:{question.token}:approve")
    try:
        await process.freeze(asyncio.create_task(world.settle()))
        await world.pass_(seconds=LONGER_THAN_A_LEASE)
        about = [one.about for one in await questions(world)]
        assert about == [QuestionKind.APPROVAL, QuestionKind.UNCERTAIN], "the approval did not count any more"
    finally:
        await process.thaw()
    uncertain = (await questions(world))[1]
    await process.press(uncertain, "drop")
    assert [one.state for one in await questions(world)] == [QuestionState.ANSWERED, QuestionState.ANSWERED]
    assert tool.calls == 1
    assert (await world.record()).runs == ()


async def test_of_two_first_answers_one_counts_whoever_writes_last(world: World) -> None:
    """Two intakes have read the question when it was open."""
    tool = FrozenTool("forget", Forgetting, Effect.DESTRUCTIVE)
    with_agent(world.app, tool)
    tool.let_go.set()
    await world.arrive("forget everything")
    await world.settle()
    [question] = await questions(world)
    other = world.instance()
    both_have_read = asyncio.Barrier(2)
    for app in (world.app, other):
        over = app.answers._over

        async def read_first(*arguments: object, over: object = over, waited: list[bool] = []) -> object:  # noqa: B006
            result = await over(*arguments)  # type: ignore[operator]
            if not waited:
                waited.append(True)
                await both_have_read.wait()
            return result

        app.answers._over = read_first  # type: ignore[method-assign, assignment]  # holds both at the same place
    events = [
        world.say("", n=choice, kind=EventKind.PRESS, button=f"q:{question.token}:{choice}")
        for choice in ("approve", "refuse")
    ]
    await asyncio.gather(world.app.intake.enter(events[0]), other.intake.enter(events[1]))
    await other.close()
    [settled] = await questions(world)
    assert settled.answer
    told = {
        part.event: str(part.payload["text"]) for part in await world.parts() if part.event in {e.id for e in events}
    }
    loser = next(one.id for one in events if one.id != settled.answer.event)
    assert told[loser] == f"You already answered that: {settled.answer.words}."

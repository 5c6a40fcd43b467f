"""A run that an earlier version left at a question: this version goes on with it, or asks; it is never silent.

What was left then is data (`keep.py`). The agent of the day is another one by now, unless nothing was changed since; so
the test says what its revision is: the kept one, as long as nothing is changed here. The checkpoint is read as it is.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from shared.agent import prompt, revision
from shared.agent.gate import Gate
from shared.conversation.run_records import QuestionKind, QuestionRecord
from shared.conversation.states import EffectState, QuestionState, RunState
from shared.messages import EventKind
from shared.pipeline import words
from shared.ports import Tool, ToolContext, ToolResult
from shared.tools.memory import Forget
from tests.unit.agent.keep import KEPT, WholeWorld, agent, restore

FORGOTTEN = "Everything is forgotten: 1 thing."
ASKED_WHAT_BECOMES = "I was changed since I stopped to wait."
Change = Callable[[pytest.MonkeyPatch, WholeWorld], None]


@pytest.fixture(params=sorted(path.name for path in KEPT.iterdir()))
def kept(request: pytest.FixtureRequest) -> Path:
    """A run that was kept."""
    return KEPT / str(request.param)


@pytest.fixture
async def world(kept: Path, tmp_path: Path) -> AsyncIterator[WholeWorld]:
    """This version on what was left."""
    restore(kept, tmp_path)
    made = WholeWorld(tmp_path)
    yield made
    await made.close()


@pytest.fixture
def forgets(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the real calls of the tool."""
    keys: list[str] = []
    call = Forget.call

    async def counted(self: Forget, *, arguments: Any, context: ToolContext) -> ToolResult:
        keys.append(context.key)
        return await call(self, arguments=arguments, context=context)

    monkeypatch.setattr(Forget, "call", counted)
    return keys


@pytest.fixture(autouse=True)
def _the_agent_of_the_day_is_the_kept_one(kept: Path, world: WholeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as nothing is changed after this."""
    was, real = revision.named(agent(kept)), revision.revision
    now = real(list(world.app.tools.values()))

    def pretended(tools: Sequence[Tool]) -> str:
        made = real(tools)
        return was if made == now else made

    monkeypatch.setattr(revision, "revision", pretended)


async def open_questions(world: WholeWorld) -> list[QuestionRecord]:
    found = await world.partition().questions(entry=2)
    return [one.record for one in found if one.record.state is QuestionState.OPEN]


async def press(world: WholeWorld, about: QuestionKind, choice: str, *, n: str) -> None:
    [question] = [one for one in await open_questions(world) if one.about is about]
    button = f"q:{question.token}:{choice}"
    await world.arrive("", n=n, kind=EventKind.PRESS, button=button)
    await world.settle()


async def state(world: WholeWorld) -> RunState:
    run = await world.partition().run("main:fake:bot:2")
    assert run
    return run.record.state


async def memories(world: WholeWorld) -> int:
    run = await world.partition().run("main:fake:bot:2")
    assert run
    return len(await world.app.memory(run.record.user).recall(limit=10))


async def effects(world: WholeWorld) -> list[EffectState]:
    found = await world.partition().effects(entry=2, states=tuple(EffectState))
    return [one.state for one in found]


async def test_what_the_kept_agent_was_made_of_is_known(kept: Path, world: WholeWorld) -> None:
    run = await world.partition().run("main:fake:bot:2")
    assert run
    assert (run.record.state, run.record.revision) == (RunState.WAITING, revision.named(agent(kept)))
    assert run.record.checkpoint


async def test_the_same_agent_goes_on_and_does_it_once(world: WholeWorld, forgets: list[str]) -> None:
    assert await memories(world) == 1
    [question] = await open_questions(world)
    await press(world, QuestionKind.APPROVAL, "approve", n="press")
    assert world.messages[-1] == FORGOTTEN
    assert (await state(world), len(forgets), await memories(world)) == (RunState.FINISHED, 1, 0)
    assert await effects(world) == [EffectState.DONE]
    await world.arrive("", n="late", kind=EventKind.PRESS, button=f"q:{question.token}:approve")
    await world.settle()
    assert "already answered" in world.messages[-1]
    assert len(forgets) == 1


async def test_the_same_agent_takes_a_no(world: WholeWorld, forgets: list[str]) -> None:
    await press(world, QuestionKind.APPROVAL, "refuse", n="press")
    assert (await state(world), forgets, await memories(world)) == (RunState.FINISHED, [], 1)
    assert "said no" in world.messages[-1]


# --- another agent --------------------------------------------------------------------------------------------


def _middleware(monkeypatch: pytest.MonkeyPatch, world: WholeWorld) -> None:
    monkeypatch.setattr(Gate, "name", "Gatekeeper", raising=False)
    names = tuple("Gatekeeper" if name == "Gate" else name for name in revision.MIDDLEWARE)
    monkeypatch.setattr(revision, "MIDDLEWARE", names)


def _tool(monkeypatch: pytest.MonkeyPatch, world: WholeWorld) -> None:
    monkeypatch.setattr(world.app, "tools", {name: one for name, one in world.app.tools.items() if name != "pause"})


def _prompt(monkeypatch: pytest.MonkeyPatch, world: WholeWorld) -> None:
    folder = world.home / "prompts"
    shutil.copytree(revision.PROMPTS, folder)
    (folder / "system.md").write_text("You are a butler.")
    monkeypatch.setattr(revision, "PROMPTS", folder)
    monkeypatch.setattr(prompt, "PROMPTS", folder)
    prompt.read.cache_clear()


CHANGES = pytest.mark.parametrize("change", [_middleware, _tool, _prompt])


@pytest.fixture(autouse=True)
def _prompts_are_read_again() -> Any:
    yield
    prompt.read.cache_clear()


async def changed(world: WholeWorld, change: Change, monkeypatch: pytest.MonkeyPatch, forgets: list[str]) -> None:
    """The person approves what another agent wanted: they are told and asked, and nothing is done."""
    change(monkeypatch, world)
    await press(world, QuestionKind.APPROVAL, "approve", n="press")
    assert ASKED_WHAT_BECOMES in world.messages[-1]
    assert [one.about for one in await open_questions(world)] == [QuestionKind.REVISION]
    assert (await state(world), forgets, await memories(world)) == (RunState.WAITING, [], 1)


@CHANGES
async def test_another_agent_goes_on_from_the_messages_where_the_person_wants_it(
    world: WholeWorld, change: Change, monkeypatch: pytest.MonkeyPatch, forgets: list[str]
) -> None:
    await changed(world, change, monkeypatch, forgets)
    await press(world, QuestionKind.REVISION, "continue", n="go on")
    assert forgets == [], "a yes to the old agent is none to the new one"
    await press(world, QuestionKind.APPROVAL, "approve", n="again")
    assert world.messages[-1] == FORGOTTEN
    assert (await state(world), len(forgets), await memories(world)) == (RunState.FINISHED, 1, 0)
    assert await effects(world) == [EffectState.DONE]


@CHANGES
async def test_another_agent_drops_it_where_the_person_wants_that(
    world: WholeWorld, change: Change, monkeypatch: pytest.MonkeyPatch, forgets: list[str]
) -> None:
    await changed(world, change, monkeypatch, forgets)
    await press(world, QuestionKind.REVISION, "drop", n="drop")
    assert world.messages[-1] == words.dropped()
    assert (await state(world), forgets, await memories(world)) == (RunState.FINISHED, [], 1)


async def test_without_the_tool_that_it_waited_for_the_person_is_told_so(
    world: WholeWorld, monkeypatch: pytest.MonkeyPatch, forgets: list[str]
) -> None:
    def change(monkeypatch: pytest.MonkeyPatch, world: WholeWorld) -> None:
        monkeypatch.setattr(world.app, "tools", {n: one for n, one in world.app.tools.items() if n != "forget"})

    await changed(world, change, monkeypatch, forgets)
    await press(world, QuestionKind.REVISION, "continue", n="go on")
    assert (await state(world), forgets, await memories(world)) == (RunState.FINISHED, [], 1)
    assert "not switched on" in world.messages[-1]


async def test_nobody_who_is_asked_what_becomes_of_it_is_left_without_a_word(
    world: WholeWorld, monkeypatch: pytest.MonkeyPatch, forgets: list[str]
) -> None:
    await changed(world, _prompt, monkeypatch, forgets)
    for _ in range(3):
        await world.pass_(seconds=13 * 3600)
    assert any("Nobody answered in time" in text for text in world.messages)
    assert (await state(world), forgets, await memories(world)) == (RunState.FINISHED, [], 1)

"""The pause: how long, and what the person sees."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.agent.effects import SECONDS
from shared.ports import Describing, Effect
from shared.tools.pause import LONGEST, Pause
from tests.fakes.tools import Desk
from tests.fakes.tools import desk as open_desk


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
async def desk(tmp_path: Path, slept: list[float]) -> AsyncIterator[Desk]:
    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with open_desk(tmp_path) as found:
        found.tools = {"pause": Pause(sleep=sleep)}
        yield found


async def test_it_waits_as_long_as_it_is_told(desk: Desk, slept: list[float]) -> None:
    assert await desk.text("pause") == "Waited 1 second."
    assert await desk.text("pause", seconds=5, note="3 of 10") == "Waited 5 seconds."
    assert slept == [1, 5]


async def test_the_longest_ends_before_it_is_cut(desk: Desk, slept: list[float]) -> None:
    await desk.call("pause", seconds=LONGEST)
    assert slept[0] < SECONDS


@pytest.mark.parametrize("seconds", [0, -1, LONGEST + 1, "long"])
async def test_nothing_else_is_a_pause(desk: Desk, seconds: object) -> None:
    with pytest.raises(ValidationError):
        await desk.call("pause", seconds=seconds)


def test_the_person_sees_what_for() -> None:
    tool = Pause()
    assert isinstance(tool, Describing)
    assert tool.effect is Effect.READ
    for note, shown in (("3 of 10", "3 of 10"), (" ", "Waiting")):
        assert tool.doing(arguments=tool.arguments.model_validate({"note": note})) == shown

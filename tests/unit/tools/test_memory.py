"""Remember, recall, forget."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from shared.ports import ToolError
from tests.fakes.tools import Desk


async def test_what_is_remembered_is_recalled(desk: Desk) -> None:
    assert await desk.text("remember", text=" I like green tea. ") == "Remembered: I like green tea."
    await desk.call("remember", text="Bob is my brother.")
    assert await desk.text("recall", query="tea") == "Remembered:\n- I like green tea. (since 2026-03-01)"
    assert "Bob" in await desk.text("recall")
    assert await desk.text("recall", query="car") == "Nothing is remembered about “car”."


async def test_an_empty_memory_says_so(desk: Desk) -> None:
    assert await desk.text("recall") == "Nothing is remembered yet."


async def test_the_same_text_is_remembered_once(desk: Desk) -> None:
    await desk.call("remember", text="I like green tea.")
    await desk.call("remember", text="i like  GREEN tea.")
    assert len(desk.memory.memos) == 1


async def test_the_same_key_replaces(desk: Desk) -> None:
    await desk.call("remember", key="Home", text="I live in Berlin.")
    await desk.call("remember", key="home ", text="I live in Paris.")
    assert [memo.text for memo in desk.memory.memos.values()] == ["I live in Paris."]
    assert "- home: I live in Paris." in await desk.text("recall", query="home")


async def test_one_thing_is_forgotten(desk: Desk) -> None:
    await desk.call("remember", text="I like green tea.")
    await desk.call("remember", text="I like black tea.")
    await desk.call("remember", key="home", text="I live in Berlin.")
    assert await desk.text("forget", query="green tea") == "Forgotten: I like green tea."
    assert await desk.text("forget", query="HOME") == "Forgotten: I live in Berlin."
    assert [memo.text for memo in desk.memory.memos.values()] == ["I like black tea."]


async def test_what_is_meant_by_more_than_one_is_asked(desk: Desk) -> None:
    await desk.call("remember", text="I like green tea.")
    await desk.call("remember", text="I like black tea.")
    with pytest.raises(ToolError, match="More than one thing matches") as caught:
        await desk.call("forget", query="tea")
    assert "green" in str(caught.value)
    assert "black" in str(caught.value)
    assert len(desk.memory.memos) == 2


async def test_what_only_comes_near_is_not_forgotten(desk: Desk) -> None:
    await desk.call("remember", text="I like green tea.")
    with pytest.raises(ToolError, match="Nothing quite matches") as caught:
        await desk.call("forget", query="my favourite tea")
    assert "I like green tea." in str(caught.value)
    assert len(desk.memory.memos) == 1


async def test_everything_is_forgotten_only_when_that_is_said(desk: Desk) -> None:
    await desk.call("remember", text="I like green tea.")
    for nothing in ({}, {"query": ""}):
        with pytest.raises(ToolError, match="Say what to forget"):
            await desk.call("forget", **nothing)
    with pytest.raises(ToolError, match="Nothing is remembered about"):
        await desk.call("forget", query="car")
    assert len(desk.memory.memos) == 1
    assert await desk.text("forget", everything=True) == "Everything is forgotten: 1 thing."
    assert desk.memory.memos == {}


async def test_arguments_are_checked(desk: Desk) -> None:
    with pytest.raises(ValidationError):
        await desk.call("remember", text="")
    with pytest.raises(ValidationError):
        await desk.call("remember", text="x" * 2001)

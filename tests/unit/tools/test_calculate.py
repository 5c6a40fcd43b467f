"""The calculator as a tool; its arithmetic has tests of its own."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from shared.ports import ToolError
from tests.fakes.tools import Desk


async def test_it_says_the_expression_with_its_result(desk: Desk) -> None:
    assert await desk.text("calculate", expression=" 200 - 15% = ") == "200 - 15% = 170"
    assert await desk.text("calculate", expression="1/3") == "1/3 = 0.333333333333333 (rounded)"


async def test_what_it_cannot_calculate_it_says_in_words(desk: Desk) -> None:
    with pytest.raises(ToolError, match="divide by zero"):
        await desk.call("calculate", expression="1/0")
    with pytest.raises(ToolError, match="cannot calculate with"):
        await desk.call("calculate", expression="__import__('os')")
    with pytest.raises(ValidationError):
        await desk.call("calculate", expression="1" * 501)

"""The question to the person: what is asked, and that nobody calls it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.messages import Button
from shared.ports import Asking, Effect
from shared.tools.ask import LONGEST_OPTION, AskPerson
from tests.fakes.tools import desk as open_desk


def asked(**arguments: object) -> tuple[str, list[str]]:
    tool = AskPerson()
    text, options = tool.question(arguments=tool.arguments.model_validate(arguments))
    return text, list(options)


def test_it_asks_with_options_or_without() -> None:
    assert isinstance(AskPerson(), Asking)
    assert AskPerson().effect is Effect.READ
    assert asked(question=" Which one? ") == ("Which one?", [])
    assert asked(question="Which one?", options=["red", " blue ", "red"]) == ("Which one?", ["red", "blue"])


def test_every_option_fits_on_a_button() -> None:
    [option] = asked(question="?", options=["x" * LONGEST_OPTION])[1]
    assert Button(label=option, value="v").label == option


@pytest.mark.parametrize(
    "arguments",
    [
        {"question": " "},
        {"question": "x" * 1001},
        {"question": "?", "options": [str(number) for number in range(11)]},
        {"question": "?", "options": [" "]},
        {"question": "?", "options": ["x" * 76]},
    ],
)
def test_arguments_are_checked(arguments: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        asked(**arguments)


async def test_nobody_calls_it(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "ask") as desk:
        with pytest.raises(RuntimeError, match="never called"):
            await desk.call("ask_person", question="?")

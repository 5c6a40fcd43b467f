"""What is a command, and which plain questions have the same answer for everybody."""

from __future__ import annotations

import pytest

from shared.commands import recognise


@pytest.mark.parametrize("text", ["/help", "help", "Help!", "help me", "What can you do?", "what can you do for me"])
def test_help_is_asked_for_in_words_too(text: str) -> None:
    command = recognise(text)
    assert command is not None
    assert command.name == "help"


@pytest.mark.parametrize(
    "text", ["help me with my tax", "what can you do about it?", "no help", "helpful", "what can you", "/unknown", ""]
)
def test_anything_more_goes_to_the_assistant(text: str) -> None:
    assert recognise(text) is None


def test_a_command_has_an_argument() -> None:
    command = recognise("/Queue  collect ")
    assert command is not None
    assert (command.name, command.argument) == ("queue", "collect")

"""A question to the person. Its answer may take days: nothing runs meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from shared.ports import Effect, Parts, Tool, ToolContext, ToolResult

MOST_OPTIONS = 10
LONGEST_OPTION = 75
"""Characters: what a button can show."""

_Option = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_OPTION, strip_whitespace=True)]


class PersonsChoice(BaseModel):
    """What to ask."""

    question: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        min_length=1, max_length=1_000, description="The question, in the person's language; it stands alone."
    )
    options: list[_Option] = Field(
        default_factory=list,
        max_length=MOST_OPTIONS,
        description="What the person can choose from, each in a few words. Leave it out where any answer will do.",
    )


class AskPerson:
    """Asks the person, and waits for what they answer."""

    name = "ask_person"
    description = (
        "Ask the person something that you need to go on with what they asked for: a choice between options, or a text."
        " Only where you cannot choose sensibly yourself. Whether a tool may be called is asked by itself."
    )
    arguments: type[BaseModel] = PersonsChoice
    effect = Effect.READ
    progress = "Asking you"

    def question(self, *, arguments: BaseModel) -> tuple[str, Sequence[str]]:
        """The question, and its options without repetitions."""
        assert isinstance(arguments, PersonsChoice)
        return arguments.question, list(dict.fromkeys(arguments.options))

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """Nobody calls it: its result is the person's answer."""
        raise RuntimeError("ask_person is answered by the person and never called")


def build(_: Parts) -> Sequence[Tool]:
    """The question."""
    return [AskPerson()]

"""The state diagrams in docs/architecture.md, from the enums and their transitions."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from shared.conversation.states import TRANSITIONS

PAGE = Path("docs/architecture.md")
BEGIN = "<!-- state diagrams: written by `make generate` -->"
END = "<!-- end of the state diagrams -->"


def diagrams() -> str:
    """Every table of transitions as a heading, a sentence and a Mermaid state diagram."""
    return "\n\n".join(_diagram(states) for states in TRANSITIONS)


def _diagram(states: type[StrEnum]) -> str:
    title = "".join(f" {each.lower()}" if each.isupper() else each for each in states.__name__.removesuffix("State"))
    sentence = (states.__doc__ or "").partition("\n")[0]
    return "\n".join([f"### {title.strip().capitalize()}", "", sentence, "", "```mermaid", *_mermaid(states), "```"])


def _mermaid(states: type[StrEnum]) -> Iterator[str]:
    yield "stateDiagram-v2"
    leaves = {start for start, _, _ in TRANSITIONS[states]}
    for start, end, why in TRANSITIONS[states]:
        # A colon starts the label and a semicolon ends the statement: neither may stand in the words.
        yield f"    {start} --> {end}: {why.replace(':', ',').replace(';', ',')}"
    for state in states:
        if state not in leaves:
            yield f"    {state} --> [*]"


def page(text: str) -> str:
    """The page with its diagrams written anew between the two marks. Raises ValueError where a mark is missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has lost the marks {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{diagrams()}\n\n{END}{after}"

"""What an answer means to the question: the value that the agent goes on with, and the same in words."""

from __future__ import annotations

from dataclasses import dataclass

from shared.conversation.run_records import QuestionKind, QuestionRecord
from shared.pipeline.edits import edited
from shared.pipeline.spoken import Meaning, Spoken
from shared.ports import Json, Tool

EDIT = "edit"
"""The choice that settles nothing: it asks how."""
FREE = "="
"""What a choice begins with that carries a free text."""

_SPOKEN = {
    QuestionKind.APPROVAL: {Meaning.YES: "approve", Meaning.NO: "refuse", Meaning.EDIT: EDIT},
    QuestionKind.UNCERTAIN: {Meaning.CHECK: "check", Meaning.REPEAT: "repeat", Meaning.DROP: "drop"},
    QuestionKind.REVISION: {
        Meaning.YES: "continue",
        Meaning.GO_ON: "continue",
        Meaning.NO: "drop",
        Meaning.DROP: "drop",
    },
}
_WORDS = {
    "approve": "approved",
    "check": "check it",
    "repeat": "do it once more",
    "drop": "leave it",
    "continue": "go on",
}


@dataclass(frozen=True, slots=True)
class Value:
    """An answer: what the agent goes on with, and the words for people."""

    value: Json
    words: str


def fits(question: QuestionRecord, spoken: Spoken) -> bool:
    """Whether an answer in words can be one to this question."""
    choice = _SPOKEN.get(question.about, {}).get(spoken.meaning)
    return choice is not None and (choice != "check" or _possible(question, choice))


def by_choice(question: QuestionRecord, choice: str) -> Value | None:
    """The answer that a button gives; None where the question has no such button."""
    match question.about:
        case QuestionKind.APPROVAL if choice == "refuse":
            return refusal("")
        case QuestionKind.APPROVAL if choice == "approve":
            return Value({"type": choice}, _WORDS[choice])
        case QuestionKind.CHOICE if choice.isdecimal() and choice.isascii() and int(choice) < len(question.options):
            return response(question.options[int(choice)])
        case QuestionKind.TEXT if choice.startswith(FREE) and len(choice) > 1:
            return response(choice.removeprefix(FREE))
        case QuestionKind.UNCERTAIN if choice in ("check", "repeat", "drop") and _possible(question, choice):
            return Value({"type": choice}, _WORDS[choice])
        case QuestionKind.REVISION if choice in ("continue", "drop"):
            return Value({"type": choice}, "drop it" if choice == "drop" else _WORDS[choice])
    return None


def by_words(question: QuestionRecord, spoken: Spoken, tool: Tool | None) -> Value | None:
    """The answer that words give which fit; None for an `edit` without changes. Raises WrongEditError."""
    choice = _SPOKEN[question.about][spoken.meaning]
    if choice == EDIT:
        return change(question, spoken.rest, tool) if spoken.rest else None
    return refusal(spoken.rest) if choice == "refuse" else by_choice(question, choice)


def change(question: QuestionRecord, changes: str, tool: Tool | None) -> Value:
    """An approval with other arguments. Raises WrongEditError."""
    arguments = edited(tool, question.arguments, changes)
    return Value({"type": "edit", "edited_action": {"name": question.tool, "args": arguments}}, "changed and approved")


def refusal(why: str) -> Value:
    """A refusal, with its reason or without."""
    if not why:
        return Value({"type": "reject"}, "refused")
    return Value({"type": "reject", "message": why}, f"refused: {why}")


def response(text: str) -> Value:
    """A choice or a text."""
    return Value({"type": "respond", "message": text}, text)


def default(question: QuestionRecord) -> Value:
    """What counts as the answer where nobody gave one in time."""
    nobody = "Nobody answered in time."
    match question.about:
        case QuestionKind.APPROVAL:
            return Value({"type": "reject", "message": nobody}, "refused: nobody answered in time")
        case QuestionKind.CHOICE | QuestionKind.TEXT:
            return response(nobody)
        case QuestionKind.UNCERTAIN | QuestionKind.REVISION:
            return Value({"type": "drop"}, "nobody answered in time: left as it is")


def _possible(question: QuestionRecord, way: str) -> bool:
    return not question.options or way in question.options

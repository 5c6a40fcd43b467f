"""What Praxos says about questions: how it asks, how an answer is given, and what an answer comes to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from shared.conversation.questions import BUTTON
from shared.conversation.run_records import QuestionKind, QuestionRecord
from shared.conversation.states import QuestionState
from shared.messages import Button, ButtonStyle, OutboundMessage

NOT_YOURS = "That question is not for you."
WHICH_ONE = "Which one? More than one question of mine waits for you."
ANOTHER_WAY = "To answer this one, write to me where I asked it."
CLOSED = "That question is over: the work that it was about has ended."
NOBODY = "Nobody answered in time."

BUTTONS = 10
"""The most options that get a button."""
LABEL = 75
"""The longest label of a button, in characters."""
VALUE = 200
"""How much of an argument a question shows."""
ARGUMENTS = 12
"""How many arguments a question shows."""
NAMED = 160
"""How long the few words are that name a question."""

_MARKS = re.compile(r"([\\`*_\[\]<>~|#])")
_HOW = {
    QuestionKind.APPROVAL: "Press a button, or write `yes`, `no`, `no, because …` or `edit NAME: VALUE`.",
    QuestionKind.CHOICE: "Press a button, or write the number or the words of your choice.",
    QuestionKind.TEXT: "Just write your answer here.",
    QuestionKind.UNCERTAIN: "Press a button, or write {ways}.",
    QuestionKind.REVISION: "Press a button, or write `go on` or `drop it`.",
}
_WAYS = {"check": "Check", "repeat": "Repeat", "drop": "Leave it"}


def plain(text: str) -> str:
    """Text in one line whose marks mean nothing in Markdown: it may come from anywhere."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


def shorter(text: str, length: int) -> str:
    """A text that is cut where it is too long."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def shown(value: object, *, length: int = VALUE) -> str:
    """An argument as people read it."""
    words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return plain(shorter(" ".join(words.split()), length))


def listed(arguments: Mapping[str, object], *, length: int = VALUE) -> str:
    """Arguments as a short list."""
    lines = [f"- {plain(name)}: {shown(value, length=length)}" for name, value in list(arguments.items())[:ARGUMENTS]]
    if len(arguments) > ARGUMENTS:
        lines.append(f"- and {len(arguments) - ARGUMENTS} more")
    return "\n".join(lines)


# --- asking ---------------------------------------------------------------------------------------------------


def approval(
    *, explained: str, tool: str, arguments: Mapping[str, object], destroys: bool, asker: str
) -> tuple[str, str]:
    """A question whether a tool may be called: what it is about, and the whole text. `asker`: who asked for it, if else."""
    what = explained or f"use {tool}"
    ask = f"May I {plain(what)}?" if explained else f"May I use **{plain(tool)}**?"
    if asker:
        # Its words are for whoever asked: “you” is not who reads this.
        ask = f"**{plain(asker)}** asked me for something that needs your approval: “{plain(what)}”. May I?"
    if not explained and arguments:
        ask += f"\n\n{listed(arguments)}"
    if destroys:
        ask += "\n\nThis cannot be undone."
    return shorter(what, NAMED), ask


def choice(text: str, options: Sequence[str]) -> str:
    """A question with its options, numbered."""
    lines = [f"{number}. {plain(option)}" for number, option in enumerate(options, 1)]
    return "\n".join([text, "", *lines])


def uncertain(*, what: str, can_check: bool) -> str:
    """A question about something of which nobody knows whether it happened."""
    ways = "Shall I check, do it once more, or leave it?" if can_check else "Shall I do it once more, or leave it?"
    return f"I was interrupted and do not know whether this happened: {plain(what)}. {ways}"


def about(text: str, *, what: str) -> str:
    """A question in somebody else's words, and what it is about: it may be read days later, between other messages."""
    return f"{text}\n\nIt is about this: {plain(what)}."


def revision(*, waited: bool) -> str:
    """The question whether to go on after a change of the assistant itself."""
    when = "since I stopped to wait" if waited else "while I worked on this"
    return (
        f"I was changed {when}. Shall I go on with the new version, from what is done so far, or drop it?"
        " What is done stays done either way."
    )


def message(question: QuestionRecord) -> OutboundMessage:
    """A question as it is asked."""
    how = _HOW[question.about].format(ways=_either([f"`{_WAYS[way].lower()}`" for way in _ways(question)]))
    return OutboundMessage(text=f"{question.text}\n\n{how}", buttons=buttons(question))


def reminder(question: QuestionRecord) -> OutboundMessage:
    """A question, once more."""
    asked = message(question)
    return asked.model_copy(update={"text": f"I still wait for your answer. {asked.text}"})


def notice(question: QuestionRecord) -> OutboundMessage | None:
    """What the person is told whose question went to somebody else."""
    if question.routed is None:
        return None
    name = plain(question.name) or "the person who approves such things"
    return OutboundMessage(
        text=f"I asked {name} whether I may do this: {plain(question.what)}. I go on when they answer."
    )


def buttons(question: QuestionRecord) -> tuple[tuple[Button, ...], ...]:
    """The buttons under a question, in rows."""

    def one(label: str, value: str, style: ButtonStyle = ButtonStyle.PLAIN) -> Button:
        return Button(label=label, value=f"{BUTTON}{question.token}:{value}", style=style)

    match question.about:
        case QuestionKind.APPROVAL:
            approve, refuse = (
                one("Approve", "approve", ButtonStyle.PRIMARY),
                one("Refuse", "refuse", ButtonStyle.DANGER),
            )
            return ((approve, refuse, one("Edit", "edit")) if question.arguments else (approve, refuse),)
        case QuestionKind.CHOICE:
            labels = [" ".join(option.split()) or str(n) for n, option in enumerate(question.options, 1)]
            return tuple((one(shorter(label, LABEL), str(n)),) for n, label in enumerate(labels[:BUTTONS]))
        case QuestionKind.TEXT:
            return ()
        case QuestionKind.UNCERTAIN:
            return (tuple(one(_WAYS[way], way) for way in _ways(question)),)
        case QuestionKind.REVISION:
            return ((one("Go on", "continue", ButtonStyle.PRIMARY), one("Drop it", "drop")),)


def said_so(question: QuestionRecord, text: str) -> OutboundMessage:
    """A question for free text in a list of several: a button that gives it the text, where that fits."""
    asked = OutboundMessage(text=plain(shorter(question.what, NAMED)))
    try:
        button = Button(label=shorter(f"Answer “{text}”", LABEL), value=f"{BUTTON}{question.token}:={text}")
    except ValueError:  # longer than a button can carry
        return asked.model_copy(update={"text": f"{asked.text}\n\n{ANOTHER_WAY}"})
    return asked.model_copy(update={"buttons": ((button,),)})


def in_list(question: QuestionRecord) -> OutboundMessage:
    """A question among several, with its buttons."""
    return OutboundMessage(text=plain(shorter(question.what, NAMED)), buttons=buttons(question))


def _ways(question: QuestionRecord) -> Sequence[str]:
    return [way for way in _WAYS if not question.options or way in question.options]


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words)


# --- answering ------------------------------------------------------------------------------------------------


def confirmation(question: QuestionRecord) -> str:
    """What somebody hears whose answer counts."""
    value = question.answer.value if question.answer else {}
    what = plain(question.what)
    words = {
        "approve": f"Approved: {what}. I go on.",
        "reject": f"Refused: {what}. I will not do it.",
        "edit": "Changed and approved. I go on.",
        "check": "I check whether it happened.",
        "repeat": "I do it once more.",
        "continue": "I go on with the new version.",
        "drop": "Dropped." if question.about is QuestionKind.REVISION else "I leave it as it is.",
    }
    if value.get("type") == "respond" and question.about is QuestionKind.CHOICE:
        return f"Your choice: {plain(shorter(str(value['message']), NAMED))}. I go on."
    return words.get(str(value.get("type")), "Thank you. I go on.")


def settled(question: QuestionRecord, *, by: str) -> str:
    """What somebody hears whose answer came too late. `by` is who was faster: `You`, or a name."""
    if question.state is QuestionState.EXPIRED:
        return "The time to answer that was over, so I went on without an answer."
    if question.state is QuestionState.CLOSED or question.answer is None:
        return CLOSED
    return f"{plain(by)} already answered that: {plain(shorter(question.answer.words, NAMED))}."


def expired(question: QuestionRecord) -> str:
    """What the person hears when nobody answered."""
    what = plain(question.what)
    match question.about:
        case QuestionKind.APPROVAL:
            return f"{NOBODY} So I do not do this: {what}."
        case QuestionKind.UNCERTAIN:
            return f"{NOBODY} So I leave it as it is: {what}."
        case QuestionKind.REVISION:
            return f"{NOBODY} So I drop it: {what}."
        case _:
            return f"{NOBODY} So I go on without an answer to this: {what}."


def how_to_edit(question: QuestionRecord) -> OutboundMessage:
    """How arguments are changed, and what they are now."""
    name = next(iter(question.arguments), "NAME")
    text = (
        f"Write `edit` and what to change, one line each, such as `edit {name}: NEW VALUE`. Now it is:\n\n"
        f"{listed(question.arguments, length=500)}"
    )
    return OutboundMessage(text=text, buttons=buttons(question))


def cannot_edit(question: QuestionRecord, trouble: str) -> OutboundMessage:
    """What is wrong with changed arguments. The question stays open."""
    return OutboundMessage(text=f"That does not fit: {trouble} The question is still open.", buttons=buttons(question))

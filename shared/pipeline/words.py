"""What Praxos says by itself, in one place, so that its voice is one."""

from __future__ import annotations

from datetime import timedelta

from shared.commands import COMMANDS
from shared.messages import Button, OutboundMessage

REFUSED = "This assistant is private. If you use it from another app, send /link there and then send me the code that you get."
MODEL_AWAY = (
    "The model that I think with is not answering right now. I have kept your message and will answer as soon as I can."
)
COULD_NOT = "Sorry, I could not handle your message. Nothing is lost: it was put aside for the people who run me."
OUT_OF_TIME = (
    "Sorry, that took longer than I may work on one message, so I stopped. It was put aside for the people who run me."
)
HANDLED_NOW = "I could not handle this message when it came. Now I can:"
STILL_COULD_NOT = (
    "I tried an earlier message once more and still could not handle it. It stays with the people who run me."
)
BUTTON_GONE = "That button no longer does anything."
UNREADABLE = "Sorry, I could not read your last message, so I put it aside for the people who run me."
REST_IN_FILE = "That is only the beginning: the whole answer is in the file."
NOT_DELIVERED = "One of my replies could not be delivered here."
MAYBE_DELIVERED = (
    "I do not know whether one of my replies reached you. If something seems to be missing, please ask again."
)
NEW_CONVERSATION = "Done: we start afresh. I no longer look at what was said before."

WHAT_I_DO = (
    "I am an assistant that you can simply talk to. I can tell times, calculate, read web pages and files, remember"
    " things for you, and remind you of them."
)
_EXAMPLES = (
    ("What time is it in Tokyo?", "say:What time is it in Tokyo?"),
    ("Remind me in one minute", "say:Remind me in 1 minute to stretch"),
    ("What is 12 × 37?", "say:What is 12 * 37?"),
)


def help_text() -> OutboundMessage:
    """What the assistant can do, and its commands."""
    lines = [
        WHAT_I_DO,
        "",
        *(f"- /{name} – {description}" for name, description in COMMANDS.items()),
    ]
    buttons = tuple((Button(label=label, value=value),) for label, value in _EXAMPLES)
    return OutboundMessage(text="\n".join(lines), buttons=buttons)


def status(*, working_for: timedelta | None, waiting: int, model: str, doing: str = "") -> str:
    """What the assistant is doing."""
    if working_for is None:
        first = "I am here and not working on anything." if not waiting else "I am about to start."
    else:
        what = doing.rstrip(".… ") if doing else "Working on your message"
        first = f"{what}, for {max(0, int(working_for.total_seconds()))} s now."
    behind = max(0, waiting - (working_for is not None))
    second = "" if not behind else f" {behind} more {'message waits' if behind == 1 else 'messages wait'}."
    return f"{first}{second} Model: {model}."


def link_code(code: str) -> str:
    """How to use a link code."""
    return (
        f"Your code is `{code}`. Within ten minutes, send `/link {code}` to me from the other app, and I will know that"
        " it is you."
    )


LINKED = "Done: I now know that this is you. Your reminders and memories are the same everywhere."
ALREADY_LINKED = "This is already you: send the code from the other app."
WRONG_CODE = "That code is not valid, or no longer. Send /link in the other app to get a new one."
CLAIMED = "Done: you are the owner of this deployment."
WRONG_CLAIM = "That is not the code that this deployment printed when it started."
ALREADY_CLAIMED = "This deployment already has an owner."
CLAIM_HOW = "Send `/claim CODE` with the code that was printed when this deployment started."
LINK_NEEDS_PERSON = "Send /link in an app where I already know you; then send the code from there to me here."

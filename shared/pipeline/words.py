"""What Praxos says by itself, in one place, so that its voice is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from shared.commands import COMMANDS
from shared.conversation.records import QueueMode
from shared.conversation.run_records import Run
from shared.messages import Button, OutboundMessage

REFUSED = "This assistant is private. If you use it from another app, send /link there and then send me the code that you get."
MODEL_AWAY = (
    "The model that I think with is not answering right now. I have kept your message and will answer as soon as I can."
)
COULD_NOT = "Sorry, I could not handle your message. Nothing is lost: it was put aside for the people who run me."
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
CHANGED_MEANWHILE = "Not done: the assistant was changed before this call began. Call again if it is still needed."
NOTHING_TO_STOP = "There is nothing to stop: I am not working on anything."
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


@cache
def help_text() -> OutboundMessage:
    """What the assistant can do, and its commands: the same for everybody until the next deployment."""
    lines = [
        WHAT_I_DO,
        "",
        *(f"- /{name} – {description}" for name, description in COMMANDS.items()),
    ]
    buttons = tuple((Button(label=label, value=value),) for label, value in _EXAMPLES)
    return OutboundMessage(text="\n".join(lines), buttons=buttons)


def status(
    *,
    working_for: timedelta | None,
    waiting: int,
    model: str,
    doing: str = "",
    cost: str = "",
    asks: Sequence[str] = (),
) -> str:
    """What the assistant is doing."""
    if working_for is None:
        first = "I am here and not working on anything." if not waiting else "I am about to start."
    else:
        what = doing.rstrip(".… ") if doing else "Working on your message"
        first = f"{what}, for {_long(working_for)} now{cost}."
    behind = max(0, waiting - (working_for is not None))
    second = "" if not behind else f" {behind} more {'message waits' if behind == 1 else 'messages wait'}."
    third = "".join(f" I am waiting for your answer: {question}" for question in asks)
    return f"{first}{second}{third} Model: {model}."


def cost(run: Run) -> str:
    """What a run has cost so far, as far as that is recorded."""
    if not run.model_calls:
        return ""
    calls = f"{run.model_calls} model {'call' if run.model_calls == 1 else 'calls'}"
    tools = f", {run.tool_calls} tool {'call' if run.tool_calls == 1 else 'calls'}" if run.tool_calls else ""
    tokens = run.input_tokens + run.output_tokens
    return f" ({calls}{tools}{f', {tokens:,} tokens' if tokens else ''} so far)"


def _long(duration: timedelta) -> str:
    seconds = max(0, int(duration.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


_MODES = {
    QueueMode.STEER: "I see it before my next step and change course.",
    QueueMode.FOLLOWUP: "it waits for a turn of its own.",
    QueueMode.COLLECT: "all that waits is answered together, when I am done.",
    QueueMode.INTERRUPT: "I stop what I am doing and turn to it.",
}


def queue_mode_set(mode: QueueMode) -> str:
    """What a message does from now on that comes in while a run works."""
    return f"Done: {mode.value}. When you write while I work: {_MODES[mode]}"


def queue_modes(mode: QueueMode) -> OutboundMessage:
    """What can be chosen."""
    lines = [f"What a message does that comes in while I work. Now: **{mode.value}**.", ""]
    lines += [f"- `/queue {each.value}` – {what}" for each, what in _MODES.items()]
    buttons = tuple((Button(label=each.value, value=f"say:/queue {each.value}"),) for each in _MODES)
    return OutboundMessage(text="\n".join(lines), buttons=buttons)


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


@dataclass(frozen=True, slots=True)
class StoppedRun:
    """What is said of a run that was stopped."""

    about: str
    steps: int
    lately: Sequence[str]
    unknown: Sequence[str]
    """What may or may not have happened."""


def stopped(runs: Sequence[StoppedRun], *, dropped: int) -> str:
    """What was stopped, and what is known of it."""
    lines = [_stopped_run(run) for run in runs]
    if dropped:
        which = "one message that waited" if dropped == 1 else f"{dropped} messages that waited"
        lines.append(f"{'I also dropped' if lines else 'I dropped'} {which}.")
    return "\n\n".join(lines)


def dropped(unknown: Sequence[str] = ()) -> str:
    """A run was dropped; what it did of which nobody knows whether it happened."""
    return "\n".join(["All right, I have dropped it.", *map(_in_doubt, unknown)])


def _in_doubt(what: str) -> str:
    return f"- {what}: I do not know whether this happened."


def _stopped_run(run: StoppedRun) -> str:
    text = f"Stopped: “{run.about}”."
    if run.lately:
        text += f" {_so_far(run.steps, run.lately)}"
    if run.unknown:
        text += "\n" + "\n".join(map(_in_doubt, run.unknown))
    return text


def _so_far(steps: int, lately: Sequence[str]) -> str:
    count = f"{steps} {'step' if steps == 1 else 'steps'}"
    return f"Done so far: {count}, the last of them “{lately[-1].rstrip('.… ')}”."


def budget_spent(*, steps: int = 0, lately: Sequence[str] = ()) -> str:
    """A run may do no more: what it has done so far."""
    so_far = f" {_so_far(steps, lately)}" if lately else ""
    return (
        "Sorry, this took more than I may spend on one task, so I stopped."
        f"{so_far} It was put aside for the people who run me."
    )


def still_asking(questions: Sequence[str]) -> str:
    """What a reply says when other questions are still open."""
    if len(questions) == 1:
        return f"(I am still waiting for your answer: {questions[0]})"
    return "(I am still waiting for your answers: " + " · ".join(questions) + ")"

"""Reminders: set, list, change, cancel."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shared import cron, zones
from shared.ports import Effect, Parts, Reminder, Tool, ToolContext, ToolError, ToolResult

FURTHEST = timedelta(days=3653)
MAX_MINUTES = FURTHEST.total_seconds() / 60
SHOWN = 40
"""How many reminders a list names."""
SHOWN_CHARACTERS = 100
"""How much of a reminder's text an answer repeats."""
_NEVER = frozenset({"none", "never", "no", "off", "once", "null"})

# Models fill what they do not mean with "" or 0.
_Given = Annotated[str | None, BeforeValidator(lambda value: value or None)]
_Minutes = Annotated[float | None, BeforeValidator(lambda value: value or None)]

_AT = (
    "When it is due: an ISO-8601 date and time in the person's own time zone, such as 2026-03-29T14:30, or with an"
    " offset; a time of day alone means the next time the clock shows it."
)
_IN = "Instead of `at`: due this many minutes from now."
_REPEAT = (
    "Only for something that recurs: a cron expression of five fields (minute hour day-of-month month day-of-week) in"
    " the person's time zone, such as `0 9 * * 1-5` for 9:00 on weekdays. Without `at`, its first time is the first due."
)
_WHICH = "Which one: its id, its number in the list, or words of its text."


class NewReminder(BaseModel):
    """What to remind the person of, and when."""

    text: str = Field(min_length=1, max_length=1_000, description="What to remind the person of, in their own words.")
    at: _Given = Field(None, max_length=60, description=_AT)
    in_minutes: _Minutes = Field(None, gt=0, le=MAX_MINUTES, description=_IN)
    repeat: _Given = Field(None, max_length=100, description=_REPEAT)


class Nothing(BaseModel):
    """No arguments."""


class WhichReminder(BaseModel):
    """One of the open reminders."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    reminder: str = Field(min_length=1, max_length=200, description=_WHICH)


class ReminderChange(WhichReminder):
    """What to change of a reminder; what is left out stays."""

    text: _Given = Field(None, max_length=1_000, description="The new text.")
    at: _Given = Field(None, max_length=60, description=_AT)
    in_minutes: _Minutes = Field(None, gt=0, le=MAX_MINUTES, description=_IN)
    repeat: _Given = Field(None, max_length=100, description=f"{_REPEAT} `never` ends the repetition.")


@dataclass(frozen=True, slots=True)
class _When:
    """When a reminder is due next, as far as the arguments say."""

    due_at: datetime | None = None
    repeat: str | None = None
    note: str = ""


def _when(*, at: str | None, in_minutes: float | None, repeat: str | None, context: ToolContext) -> _When:
    """Read the three arguments together. Raises ToolError."""
    if at and in_minutes:
        raise ToolError("A reminder is due either at a time or in some minutes, not both.")
    if repeat is not None and repeat.strip().lower() in _NEVER:
        repeat = ""
    try:
        first = cron.next_due(repeat, time_zone=context.time_zone, after=context.now) if repeat else None
        if in_minutes:
            return _When(context.now + timedelta(minutes=in_minutes), repeat)
        if not at:
            return _When(first, repeat)
        moment = _moment(at, context)
    except (zones.TimeError, cron.CronError) as error:
        raise ToolError(str(error)) from None
    if moment.at <= context.now:
        raise ToolError(f"{_local(moment.at, context)} is already past: it is {_local(context.now, context)} now.")
    if moment.at - context.now > FURTHEST:
        raise ToolError("That is more than ten years away.")
    return _When(moment.at, repeat, moment.note)


def _moment(at: str, context: ToolContext) -> zones.Moment:
    asked, zone = zones.parse(at), ZoneInfo(context.time_zone)
    if isinstance(asked, datetime):
        return zones.Moment(asked.astimezone(UTC)) if asked.tzinfo else zones.resolve(asked, zone)
    return _next(asked, zone, context.now)


def _next(clock: time, zone: ZoneInfo, now: datetime) -> zones.Moment:
    """The next time that a clock shows this time of day."""
    today = now.astimezone(clock.tzinfo or zone).date()
    for day in (today, today + timedelta(days=1)):
        local = datetime.combine(day, clock)
        moment = zones.Moment(local.astimezone(UTC)) if clock.tzinfo else zones.resolve(local, zone)
        if moment.at > now:
            break
    return moment


def _local(moment: datetime, context: ToolContext) -> str:
    return zones.spoken(moment.astimezone(ZoneInfo(context.time_zone)))


def _distance(span: timedelta) -> str:
    """How long from now, in the two largest units: `in 2 hours 5 minutes`."""
    seconds = round(span.total_seconds())
    if seconds < 1:
        return "now"
    units = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
    words = []
    for name, size in units:
        count, seconds = divmod(seconds, size)
        if count:
            words.append(f"{count} {name}{'s' if count > 1 else ''}")
        elif words:
            break
    return f"in {' '.join(words[:2])}"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"


def _said(reminder: Reminder, context: ToolContext) -> str:
    """A reminder in one line."""
    line = f"“{_short(reminder.text)}”, {_local(reminder.due_at, context)} ({_distance(reminder.due_at - context.now)})"
    if reminder.repeat:
        line += f", repeats: {cron.explain(reminder.repeat)} (`{reminder.repeat}`)"
    return f"{line}, id {reminder.id}"


def _answer(intro: str, reminder: Reminder, context: ToolContext, note: str = "") -> ToolResult:
    said = f"{intro}: {_said(reminder, context)}. Times are in {context.time_zone}."
    return ToolResult(f"{said} {note}".rstrip())


def _numbered(reminders: Sequence[Reminder], context: ToolContext) -> str:
    lines = [f"{number}. {_said(reminder, context)}" for number, reminder in enumerate(reminders[:SHOWN], 1)]
    if len(reminders) > SHOWN:
        lines.append(f"And {len(reminders) - SHOWN} more that are due later.")
    return "\n".join(lines)


async def _pick(wanted: str, context: ToolContext) -> Reminder:
    """The open reminder that is meant. Raises ToolError where there is none, or more than one."""
    reminders = await context.reminders.list()
    name = wanted.strip().strip("“”\"'").casefold()
    for reminder in reminders:
        if name in (reminder.id, f"id {reminder.id}"):
            return reminder
    number = re.fullmatch(r"(?:#|no\.? ?|number )?(\d{1,3})\.?", name)
    if number and 0 < int(number[1]) <= len(reminders):
        return reminders[int(number[1]) - 1]
    exact = [reminder for reminder in reminders if reminder.text.casefold() == name]
    words = name.split()
    found = exact or [reminder for reminder in reminders if all(word in reminder.text.casefold() for word in words)]
    if len(found) == 1:
        return found[0]
    if not reminders:
        raise ToolError("There are no open reminders.")
    problem = "More than one reminder matches" if found else "No open reminder matches"
    listed = "\n".join(f"- {_said(reminder, context)}" for reminder in (found or reminders)[:10])
    raise ToolError(f"{problem} “{wanted[:80]}”. {'Which one?' if found else 'These are open:'}\n{listed}")


class SetReminder:
    """Sets a reminder."""

    name = "set_reminder"
    description = (
        "Remind the person of something later, in this chat: once at a time, once after some minutes, or again and again."
        " Give `at` or `in_minutes`, or `repeat`."
    )
    arguments: type[BaseModel] = NewReminder
    effect = Effect.WRITE
    progress = "Setting a reminder"
    repeatable = True

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """Set it; the same call of the same turn sets it once."""
        assert isinstance(arguments, NewReminder)
        if known := await context.reminders.done(key=context.key):
            return _answer("The reminder is set", known, context)
        when = _when(at=arguments.at, in_minutes=arguments.in_minutes, repeat=arguments.repeat, context=context)
        if when.due_at is None:
            raise ToolError("Say when: at a time, in some minutes, or how it repeats.")
        reminder = await context.reminders.set(
            key=context.key, text=arguments.text, due_at=when.due_at, repeat=when.repeat or ""
        )
        return _answer("The reminder is set", reminder, context, when.note)


class ListReminders:
    """Lists the open reminders."""

    name = "list_reminders"
    description = "List the person's open reminders, the next due first, with their numbers and ids."
    arguments: type[BaseModel] = Nothing
    effect = Effect.READ
    progress = "Looking up your reminders"

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """List them."""
        reminders = await context.reminders.list()
        if not reminders:
            return ToolResult("There are no open reminders.")
        return ToolResult(f"Open reminders, times in {context.time_zone}:\n{_numbered(reminders, context)}")


class ChangeReminder:
    """Changes a reminder."""

    name = "change_reminder"
    description = "Change the text, the time or the repetition of an open reminder."
    arguments: type[BaseModel] = ReminderChange
    effect = Effect.WRITE
    progress = "Changing a reminder"
    repeatable = True

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """Change what is given, once in the same call of the same turn."""
        assert isinstance(arguments, ReminderChange)
        if known := await context.reminders.done(key=context.key):
            return _answer("The reminder is changed", known, context)
        when = _when(at=arguments.at, in_minutes=arguments.in_minutes, repeat=arguments.repeat, context=context)
        if arguments.text is None and when.due_at is None and when.repeat is None:
            raise ToolError("Say what to change: the text, the time or the repetition.")
        picked = await _pick(arguments.reminder, context)
        changed = await context.reminders.change(
            id=picked.id, text=arguments.text, due_at=when.due_at, repeat=when.repeat, key=context.key
        )
        return _answer("The reminder is changed", changed, context, when.note)


class CancelReminder:
    """Cancels a reminder."""

    name = "cancel_reminder"
    description = "Cancel an open reminder, so that it is not told any more."
    arguments: type[BaseModel] = WhichReminder
    effect = Effect.WRITE
    progress = "Cancelling a reminder"
    repeatable = True

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """Cancel it, once in the same call of the same turn."""
        assert isinstance(arguments, WhichReminder)
        cancelled = await context.reminders.done(key=context.key)
        if cancelled is None:
            # What was meant is looked for only once: the same number or words may mean another one by now.
            picked = await _pick(arguments.reminder, context)
            cancelled = await context.reminders.cancel(id=picked.id, key=context.key)
        return ToolResult(f"The reminder is cancelled: “{_short(cancelled.text)}”.")


def build(_: Parts) -> Sequence[Tool]:
    """The four things that one does with reminders."""
    return [SetReminder(), ListReminders(), ChangeReminder(), CancelReminder()]

"""When a reminder is due, read from English: `in 5 minutes`, `tomorrow at 9`, `every Monday at 8:30`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

_UNITS = {
    "second": 1 / 60,
    "sec": 1 / 60,
    "minute": 1,
    "min": 1,
    "hour": 60,
    "hr": 60,
    "h": 60,
    "day": 1440,
    "week": 10080,
}
_WORDS = {"a": 1.0, "an": 1.0, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "ten": 10.0}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_PARTS = {"morning": 9, "afternoon": 15, "noon": 12, "midday": 12, "evening": 19, "midnight": 0, "night": 20}
"""The hour that a word stands for; the longer of two that contain one another comes first."""
_DEFAULT_HOUR = 9

_AMOUNT = rf"(?:\d+(?:\.\d+)?|{'|'.join(_WORDS)}|half an?|a few|a couple of)"
_UNIT = r"(?:seconds?|secs?|minutes?|mins?|hours?|hrs?|h|days?|weeks?)"
_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*"
_WEEKDAY = rf"(?:{'|'.join(_DAYS)})"
_CLOCK = r"\d{1,2}(?:[:.]\d{2})?\s*(?:am|pm|a\.m\.|p\.m\.|o'?clock|h)?"

_PIECES = {
    "every": rf"(?:every (?:minute|hour|day|morning|evening|night|week|month|weekday|working day|{_WEEKDAY})|daily|hourly"
    r"|weekly|monthly|on weekdays)(?: on the (?:\d{1,2})(?:st|nd|rd|th)?)?",
    "after": rf"in {_AMOUNT} ?{_UNIT}(?:(?: and|,)? {_AMOUNT} ?{_UNIT})*",
    "day": rf"(?:the day after tomorrow|today|tomorrow|(?:on |next |this )?{_WEEKDAY}|(?:on )?\d{{4}}-\d\d-\d\d"
    rf"|(?:on )?(?:the )?\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}(?: \d{{4}})?"
    rf"|(?:on )?{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?)",
    "clock": rf"(?:at {_CLOCK}|\d{{1,2}}[:.]\d{{2}}|\d{{1,2}} ?(?:am|pm)|tonight"
    r"|(?:at |in the |this |on the )?(?:morning|noon|midday|afternoon|evening|night|midnight))",
}
_FIRST = {
    kind: re.compile(rf"(?:for |at |on )??({piece})(?=[\s,:;.!]|$)[\s,]*", re.IGNORECASE)
    for kind, piece in _PIECES.items()
}
_LAST = {kind: re.compile(rf"(?:^|[\s,]+)(?:for )?({piece})[\s.!]*$", re.IGNORECASE) for kind, piece in _PIECES.items()}
_PAIR = re.compile(rf"({_AMOUNT}) ?({_UNIT})", re.IGNORECASE)
_DIGITS = re.compile(r"(\d{1,2})(?:[:.](\d{2}))?\s*(am|pm|a\.m\.|p\.m\.)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class When:
    """When it is due, in the words of the reminder tool: one of the three, or none where no time was said."""

    in_minutes: float | None = None
    at: str | None = None
    repeat: str | None = None

    def arguments(self) -> dict[str, object]:
        """Those that are set."""
        given = {"in_minutes": self.in_minutes, "at": self.at, "repeat": self.repeat}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(slots=True)
class _Found:
    pieces: dict[str, str] = field(default_factory=dict)
    rest: str = ""


def split(text: str, *, now: datetime) -> tuple[When, str]:
    """Take the time off the beginning, else off the end, of a text; return it and what is left."""
    found = _Found(rest=text.strip())
    _take(found, _FIRST)
    if not found.pieces:
        _take(found, _LAST)
    return _when(found.pieces, now), found.rest.strip(" ,:")


def _take(found: _Found, patterns: dict[str, re.Pattern[str]]) -> None:
    again = True
    while again:
        again = False
        for kind, pattern in patterns.items():
            if kind in found.pieces:
                continue
            match = pattern.match(found.rest) if patterns is _FIRST else pattern.search(found.rest)
            if match:
                found.pieces[kind] = match[1].lower()
                found.rest = found.rest[match.end() :] if patterns is _FIRST else found.rest[: match.start()]
                again = True


def _when(pieces: dict[str, str], now: datetime) -> When:
    if "after" in pieces:
        return When(in_minutes=round(sum(_minutes(*pair) for pair in _PAIR.findall(pieces["after"])), 3))
    if "every" in pieces:
        return When(repeat=_cron(pieces["every"], _clock(pieces.get("clock", "")), now))
    if not pieces:
        return When()
    hour, minute = _clock(pieces.get("clock", "")) or (_DEFAULT_HOUR, 0)
    due = _day(pieces.get("day", ""), now).replace(hour=hour, minute=minute, second=0, microsecond=0)
    if due <= now.replace(tzinfo=None) and "day" not in pieces:
        due += timedelta(days=1)
    return When(at=due.isoformat(timespec="minutes"))


def _minutes(amount: str, unit: str) -> float:
    amount = amount.lower()
    if amount.startswith("half"):
        number = 0.5
    elif amount in ("a few", "a couple of"):
        number = 2.0 if "couple" in amount else 5.0
    else:
        number = _WORDS.get(amount) or float(amount)
    unit = unit.lower()
    return number * (_UNITS.get(unit) or _UNITS[unit.rstrip("s")])


def _clock(text: str) -> tuple[int, int] | None:
    part = next((hour for word, hour in _PARTS.items() if word in text), None)
    if part is not None:
        return part, 0
    match = _DIGITS.search(text)
    if not match:
        return None
    hour, minute, half = int(match[1]), int(match[2] or 0), (match[3] or "").lower()
    if half and hour <= 12:
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    return (hour, minute) if hour < 24 and minute < 60 else None


def _day(text: str, now: datetime) -> datetime:
    """Midnight of the day meant, naive, in the zone of `now`. A date that does not exist is the next day."""
    today = now.replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    if "after tomorrow" in text:
        return today + timedelta(days=2)
    if "tomorrow" in text:
        return today + timedelta(days=1)
    weekday = next((number for number, name in enumerate(_DAYS) if name in text), None)
    if weekday is not None:
        return today + timedelta(days=(weekday - today.weekday()) % 7 or 7)
    if iso := re.search(r"\d{4}-\d\d-\d\d", text):
        return _valid(today, *(int(number) for number in iso[0].split("-")))
    month = next((number for number, name in enumerate(_MONTHS, 1) if name in text), None)
    if month is None:
        return today
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    year = next((number for number in numbers if number > 31), today.year)
    date = _valid(today, year, month, numbers[0])
    return date if date >= today else date.replace(year=date.year + 1)


def _valid(today: datetime, year: int, month: int, day: int) -> datetime:
    try:
        return today.replace(year=year, month=month, day=day)
    except ValueError:
        return today + timedelta(days=1)


def _cron(text: str, clock: tuple[int, int] | None, now: datetime) -> str:
    if "minute" in text:
        return "* * * * *"
    if "hour" in text:
        return f"{now.minute} * * * *"
    hour, minute = clock or (next((at for word, at in _PARTS.items() if word in text), _DEFAULT_HOUR), 0)
    days = "*"
    if "weekday" in text or "working" in text:
        days = "1-5"
    elif named := next((number for number, name in enumerate(_DAYS, 1) if name in text), None):
        days = str(named % 7)
    elif "week" in text:
        days = str(now.isoweekday() % 7)
    date = re.search(r"\d+", text)
    monthly = (date[0] if date else str(now.day)) if "month" in text else "*"
    return f"{minute} {hour} {monthly} * {days}"

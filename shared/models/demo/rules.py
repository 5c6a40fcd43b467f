"""What the demo model does with a message: a table of rules, tried from top to bottom."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.models.demo import counting, sums, times, words
from shared.models.demo.reading import Heard

LONGEST = 4_000
"""The most characters of a message that the rules look at."""
MOST_OPTIONS = 10

_POLITE_BEGINNING = re.compile(
    r"(?:(?:please|praxos|hey|hi|hello|ok|okay|so|and|just|(?:can|could|would|will) you|i want you to"
    r"|i'd like you to)[\s,!]+)+(?=\S{2})",
    re.IGNORECASE,
)
_POLITE_END = re.compile(r"(?:,? please)?[\s?!.]*$", re.IGNORECASE)
_NOW = re.compile(r"\s+(?:right now|now|today|at the moment)$", re.IGNORECASE)
_LEADING = re.compile(r"(?:to|about|of|that|for|called)\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A tool that the demo wants to have called."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)


Found = re.Match[str]
Response = Callable[[Found, Heard], str | Wanted | None]
"""Gives what to say, what to call, or None where the rule does not apply after all."""
Rule = tuple[re.Pattern[str], Response]


def respond(heard: Heard) -> str | Wanted:
    """What to do about a message."""
    return find(heard) or (words.files(heard) if heard.files else words.echo(heard))


def find(heard: Heard) -> str | Wanted | None:
    """What to do about a message; None where no rule knows it."""
    if heard.reminder:
        return f"⏰ Reminder: {heard.text}"
    text = _POLITE_END.sub("", heard.text[:LONGEST].strip())
    polite = _POLITE_BEGINNING.match(text)
    for plain in (text, text[polite.end() :]) if polite else (text,):
        for pattern, response in RULES:
            found = pattern.fullmatch(plain)
            if found and (answer := response(found, heard)) is not None:
                return answer
    return None


def _rule(pattern: str, response: Response) -> Rule:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL), response


def _call(tool: str, **fixed: object) -> Response:
    """Call a tool with what the pattern's groups found, which are named as its arguments are."""
    return lambda found, _: Wanted(tool, {**_groups(found), **fixed})


def _groups(found: Found) -> dict[str, str]:
    return {name: value.strip(" \t'\"“”") for name, value in found.groupdict().items() if value}


# --- responses that take more than a pattern ------------------------------------------------------------------


def _time_there(found: Found, _: Heard) -> Wanted:
    return Wanted("current_time", {"time_zone": _NOW.sub("", found["time_zone"])})


def _convert(found: Found, heard: Heard) -> Wanted:
    arguments = {"from_zone": heard.time_zone, **_groups(found)}
    for name in ("from_zone", "to_zone"):
        if arguments[name].lower() in ("my time", "my time zone", "my", "here"):
            arguments[name] = heard.time_zone
    return Wanted("convert_time", dict(arguments))


def _sum(found: Found, _: Heard) -> Wanted | None:
    expression = sums.expression(found["sum"])
    return Wanted("calculate", {"expression": expression}) if expression else None


def _remind(found: Found, heard: Heard) -> str | Wanted:
    when, rest = times.split(found["what"], now=heard.now)
    if not when.arguments():
        return "When should I remind you? For example: `remind me in 10 minutes to stretch`."
    return Wanted("set_reminder", {"text": _named(rest) or "something", **when.arguments()})


def _cancel(found: Found, _: Heard) -> Wanted:
    return Wanted("cancel_reminder", {"reminder": _named(found["reminder"])})


def _move(found: Found, heard: Heard) -> Wanted | None:
    said = found["when"]
    when = times.split(f"at {said}" if said[:1].isdigit() else said, now=heard.now)[0].arguments()
    return Wanted("change_reminder", {"reminder": _named(found["reminder"]), **when}) if when else None


def _named(text: str) -> str:
    return _LEADING.sub("", text.strip(" \t'\"“”"), count=1)


def _read_page(found: Found, _: Heard) -> Wanted:
    url = found["url"].rstrip(".,;!?)>")
    return Wanted("read_web_page", {"url": url if "://" in url else f"https://{url}"})


def _read_sent(_: Found, heard: Heard) -> Wanted | None:
    return Wanted("read_file", {"name": heard.files[0].name}) if heard.files else None


def _count(found: Found, _: Heard) -> str | Wanted:
    total = int(found["total"])
    if not counting.LEAST <= total <= counting.MOST:
        return f"I can count slowly to any number from {counting.LEAST} to {counting.MOST}."
    return Wanted(counting.TOOL, counting.step(1, total))


def _ask(found: Found, _: Heard) -> str | Wanted:
    said, colon, listed = found["question"].rpartition(": ")
    question = (said if colon else listed).strip(' \t"“”')
    options = [option.strip() for option in listed.split(",") if option.strip()] if colon else []
    if len(options) > MOST_OPTIONS:
        return f"I can give you up to {MOST_OPTIONS} things to choose from."
    asked = {"question": question if question.endswith(("?", "!", ".")) else f"{question}?"}
    return Wanted("ask_person", {**asked, "options": options} if options else asked)


# --- the table ------------------------------------------------------------------------------------------------

_WHAT_IS = r"what(?:'s| is| are)"
_CLOCK = r"(?P<time>\d{1,2}(?:[:.]\d{2})?\s*(?:am|pm)?|noon|midnight)"
_REMINDER = r"(?:the |my |that )?reminder"
_CHANGE = r"(?:change|move|postpone|reschedule|delay)"
_URL = r"(?P<url>https?://\S+|(?:www\.)?[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|dev|edu|gov|de|uk|eu|ai)(?:/\S*)?)"
_FILE = r"['\"“]?(?P<name>[\w.\- ]*?[\w-]+\.\w{1,5})['\"”]?"
_SHOW = rf"(?:read|open|show|fetch|summari[sz]e|look at|{_WHAT_IS} (?:in|on)|what does)(?: me)?"

RULES: tuple[Rule, ...] = (
    _rule(r"(?:(?:hi|hello|hey)(?: there)?|good (?:morning|afternoon|evening|day)|/start)(?: praxos)?", words.greeting),
    _rule(
        r"/?help|commands|what can you do|(?:who|what) are you|how does this work|are you (?:a )?(?:real|bot|human).*",
        lambda *_: words.HELP,
    ),
    _rule(r"(?:thanks|thank you|thx|many thanks|cheers)(?:[ ,!].*)?", lambda *_: "You're welcome!"),
    _rule(r"bye|goodbye|good night|see you(?: later)?", lambda *_: "Goodbye! Your reminders keep running."),
    # Time.
    _rule(rf"(?:{_WHAT_IS} )?my time ?zone", lambda _, heard: f"Your time zone is {heard.time_zone}."),
    _rule(
        r"(?:(?:set )?my time ?zone (?:is|to)|(?:set (?:the |my )?|use the )time ?zone(?: to)?) (?P<time_zone>\S.*)",
        _call("set_time_zone"),
    ),
    _rule(rf"convert {_CLOCK} (?:from |in )?(?:(?P<from_zone>.+?) )?(?:to|into) (?P<to_zone>.+?)(?: time)?", _convert),
    _rule(
        rf"(?:{_WHAT_IS}|when is) {_CLOCK}(?: in)?(?: (?P<from_zone>.+?))?(?: time)? in (?P<to_zone>.+?)(?: time)?",
        _convert,
    ),
    _rule(
        rf"(?:when|if) it(?:'s| is) {_CLOCK}(?:(?: in)? (?P<from_zone>.+?))?,? (?:then )?what time (?:is|will) it(?: be)? in"
        r" (?P<to_zone>.+)",
        _convert,
    ),
    _rule(
        rf"what time (?:is|will) it(?: be)? in (?P<to_zone>.+?) (?:when|if) it(?:'s| is) {_CLOCK}"
        r"(?:(?: in)? (?P<from_zone>.+))?",
        _convert,
    ),
    _rule(
        rf"what time is it(?: now| here)?|(?:{_WHAT_IS} |(?:tell|give) me )?(?:the )?(?:current )?(?:time|date)"
        rf"(?: now| here| today)?|what day is it(?: today)?|{_WHAT_IS} today'?s date",
        _call("current_time"),
    ),
    _rule(
        rf"(?:what time is it(?: now)?|what day is it|(?:{_WHAT_IS} |(?:tell|give) me )?(?:the )?(?:current |local )?time)"
        r" (?:in|at|for) (?P<time_zone>.+)",
        _time_there,
    ),
    # Sums.
    _rule(rf"(?:{_WHAT_IS}|how much is|calculate|compute|work out|evaluate|solve|=)\s*(?P<sum>.+)", _sum),
    _rule(
        r"(?P<sum>\d[\d.,]*\s*(?:%|percent) of [\d.,]+|[\d(][\d\s.,()]*[+*/^×÷%][\d\s.,()+*/^×÷%-]*|[\d(][\d.,()]*\s+[-−]\s+[\d.,()\s]+)(?:\s*=)?",
        _sum,
    ),
    # Reminders.
    _rule(
        rf"(?:{_WHAT_IS} |show (?:me )?|list )?(?:all )?(?:my |the )?(?:open )?reminders"
        r"|(?:what|which|do i have)(?: any)? reminders(?: do i have)?|what did you promise to remind me of",
        _call("list_reminders"),
    ),
    _rule(rf"(?:cancel|delete|remove|stop) {_REMINDER}s? (?P<reminder>\S.*)", _cancel),
    _rule(r"(?:cancel|delete|remove|stop) (?:the |my )?(?P<reminder>.+?) reminder", _cancel),
    _rule(rf"(?:rename|change) {_REMINDER} (?P<reminder>.+?) to (?:say|read) (?P<text>.+)", _call("change_reminder")),
    _rule(rf"rename {_REMINDER} (?P<reminder>.+?) to (?P<text>.+)", _call("change_reminder")),
    _rule(rf"{_CHANGE} {_REMINDER} (?P<reminder>.+?) (?:to|until) (?P<when>.+)", _move),
    _rule(rf"{_CHANGE} (?:the |my )?(?P<reminder>.+?) reminder (?:to|until) (?P<when>.+)", _move),
    _rule(
        r"(?:remind me|(?:set|create|add|make)(?: me)? a reminder|new reminder|reminder)[\s:,]+(?P<what>.+)",
        _remind,
    ),
    # Memory.
    _rule(r"what do you (?:remember|know)(?: about me)?|show my memor(?:y|ies)|recall", _call("recall", query="")),
    _rule(
        r"(?:what do you (?:remember|know) (?:about|of)|do you (?:remember|know)|what did i (?:say|tell you) about|recall"
        r"|(?:what|who|where)(?:'s| is| are)(?= my )) ?(?P<query>.+)",
        _call("recall"),
    ),
    _rule(
        r"(?:remember|don'?t forget|keep in mind|note(?: down)?|make a note)(?: that| this)?[\s:,]+(?P<text>.+)",
        _call("remember"),
    ),
    _rule(r"forget (?:everything|it all|all)(?: .*)?", _call("forget", everything=True)),
    _rule(r"forget (?:about |that )?(?P<query>.+)", _call("forget")),
    # Counting, asking, posting.
    _rule(r"(?:slowly count|count slowly)(?: up)? to (?P<total>\d{1,9})", _count),
    _rule(r"count(?: up)? to (?P<total>\d{1,9}),? slowly", _count),
    _rule(r"stop counting", lambda *_: "I am not counting."),
    _rule(r"ask me[\s:,]+(?P<question>\S.*)", _ask),
    _rule(r"(?:post|send) (?P<text>.+?) to (?:the (?:web ?)?hook )?(?P<url>https?://\S+)", _call("post_webhook")),
    # Files and pages.
    _rule(
        rf"(?:write|create|make|save)(?: me)? (?:a |the )?(?:new )?(?:text )?(?:file |note )?(?:called |named )?{_FILE}"
        r"[\s:,]+(?:(?:with|containing|saying|that says)(?: the (?:text|content))?[\s:]+)?(?P<content>.+)",
        _call("write_file"),
    ),
    _rule(
        rf"(?:write|save|put) (?P<content>.+?) (?:to|into|in) (?:a |the )?(?:file )?(?:called |named )?{_FILE}",
        _call("write_file"),
    ),
    _rule(rf"{_SHOW} (?:it|this|that|(?:this|that|the) (?:file|attachment))", _read_sent),
    _rule(rf"{_SHOW}(?: the)?(?: (?:web ?)?(?:page|site))?(?: at)? {_URL}(?: say| about)?", _read_page),
    _rule(r"(?P<url>https?://\S+)", _read_page),
    _rule(rf"{_SHOW}(?: the| my)?(?: file)? {_FILE}", _call("read_file")),
)
"""A rule's pattern must match the whole message, without politeness around it and punctuation at its end."""

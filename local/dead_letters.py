"""`python -m local dead-letters`: what could not be handled, for whoever runs this assistant."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import socket
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from shared.app import App
from shared.messages import PraxosError

if TYPE_CHECKING:
    from shared.pipeline.dead_letter_actions import DeadLetterActions
    from shared.pipeline.dead_letter_views import Details, Listing, Summary

SHOWN = 4096
"""How many characters of one value are printed; --json prints all of them."""


def main(arguments: argparse.Namespace) -> int:
    """Do one action; return the process's exit code: 1 when it could not be done, or failed again."""
    try:
        return asyncio.run(_run(arguments))
    except PraxosError as error:
        print(error, file=sys.stderr)
        return 1


async def _run(arguments: argparse.Namespace) -> int:
    app = App()
    try:
        return await _act(app.dead_letter_actions, arguments)
    finally:
        await app.close()


async def _act(letters: DeadLetterActions, arguments: argparse.Namespace) -> int:
    match arguments.action:
        case "list":
            listing = await letters.list(
                conversation=arguments.conversation, limit=arguments.limit, continuation=arguments.page
            )
            _print(_json(listing) if arguments.json else _list(listing))
            return 0
        case "show":
            details = await letters.show(arguments.id)
            _print(_json(details) if arguments.json else "\n".join(_show(details)))
            return 0
        case "replay":
            done = await letters.replay(arguments.id, who=who(), note=arguments.reason)
        case _:
            done = await letters.discard(arguments.id, who=who(), note=arguments.reason)
    _print(_json(done) if arguments.json else _said(done))
    return 1 if done.state == "open" else 0


def who() -> str:
    """The person at this machine, for the record."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "somebody"
    return f"{name}@{socket.gethostname()}"


def _json(answer: BaseModel) -> str:
    """As ASCII, so that every character survives every terminal."""
    return json.dumps(answer.model_dump(mode="json"))


def _list(listing: Listing) -> str:
    if not listing.letters:
        return "There are none."
    lines = [line for letter in listing.letters for line in _lines(letter)]
    if listing.continuation:
        lines.append(f"There are more: --page {listing.continuation}")
    return "\n".join(lines)


def _lines(letter: Summary) -> Iterator[str]:
    times = f", {letter.failures} times" if letter.failures > 1 else ""
    yield letter.id
    yield f"  {_time(letter.at)}  {letter.about} {letter.state}{times}  {letter.conversation}"
    yield f"  {_one_line(letter.reason)}"


def _show(letter: Details) -> Iterator[str]:
    yield from _lines(letter)
    for failure in letter.earlier:
        yield f"  before  {_time(failure.at)}  {_one_line(failure.reason)}"
    for action in letter.actions:
        note = f": {_one_line(action.note)}" if action.note else ""
        yield f"  {action.what} by {action.who}  {_time(action.at)}{note}"
    told = f"was told at {_time(letter.told_at)}" if letter.told_at else "was not told"
    yield f"  the person {told}" + (f": {letter.words}" if letter.words else "")
    if letter.traceparent:
        yield f"  trace   {letter.traceparent}"
    yield f"  about   {letter.subject}"
    if letter.event:
        yield from _fields("event", letter.event.model_dump(mode="json", exclude_defaults=True))
    if letter.body:
        yield from _fields(f"message of {letter.queue}", {"body": letter.body})
    for name, document in letter.concerned.items():
        yield from _fields(name, document)


def _fields(title: str, fields: Mapping[str, Any]) -> Iterator[str]:
    """What is set, one line for each; --json has the rest too."""
    yield f"{title}:"
    for name, value in _flat(fields):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield f"  {name}: {text[:SHOWN]}{'…' if len(text) > SHOWN else ''}"


def _flat(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif value or (value == 0 and value is not False):
            yield f"{prefix}{name}", value


def _said(letter: Summary) -> str:
    if letter.state == "open":
        return f"It failed again and stays open: {_one_line(letter.reason)}"
    return f"Done: it is {letter.state}."


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _print(text: str) -> None:
    """Without what a terminal would act on: what people wrote must not move the cursor or set the title."""
    print("".join(letter for letter in text if letter.isprintable() or letter in "\n\t"))

"""The commands of `python -m local`. Each is loaded only when it is called."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def main(argv: list[str] | None = None) -> int:
    """Run a command; return the process's exit code."""
    # Both save a tenth of a cold start: nothing is garbage yet, and no plug-in of pydantic is looked for on the disk.
    gc.disable()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    given = sys.argv[1:] if argv is None else argv
    arguments = _parser(given[:1]).parse_args(given)
    code: int = import_module(arguments.module).main(arguments)
    return code


def _parser(called: Sequence[str]) -> argparse.ArgumentParser:
    """Of the command that is called; of all, for the list of them, where that is none of them."""
    parser = argparse.ArgumentParser(prog="python -m local", description="Praxos on this machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in [name for name in _COMMANDS if name in called] or _COMMANDS:
        _COMMANDS[name](commands)
    return parser


def _add_up(commands: _Commands) -> None:
    from local.roles import ROLES

    parser = commands.add_parser("up", help="start the assistant and print the address of its chat page")
    parser.add_argument("--role", choices=ROLES, help="run one scale group in a process of its own, on the same data")
    parser.set_defaults(module="local.up")


def _add_chat(commands: _Commands) -> None:
    parser = commands.add_parser("chat", help="talk in this terminal to an assistant that runs")
    parser.add_argument("words", nargs="*", help="say this, print the answer and end")
    parser.add_argument("--url", default="", help="where it runs, if not at PRAXOS_PORT on this machine")
    parser.set_defaults(module="local.chat")


def _add_doctor(commands: _Commands) -> None:
    parser = commands.add_parser("doctor", help="say what is configured, what is missing and how to fix it")
    parser.set_defaults(module="local.doctor")


def _add_channels(commands: _Commands) -> None:
    parser = commands.add_parser("channels", help="set up a chat platform")
    setup = parser.add_subparsers(required=True, metavar="ACTION").add_parser(
        "setup", help="register the webhook with the platform"
    )
    setup.add_argument("channel", choices=("telegram",))
    setup.add_argument("--url", required=True, help="the public address of this assistant, such as https://example.org")
    setup.set_defaults(module="local.channels")


def _add_dead_letters(commands: _Commands) -> None:
    parser = commands.add_parser("dead-letters", help="see what could not be handled, try it again or put it aside")
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")

    listing = actions.add_parser("list", help="the open ones, the newest first")
    listing.add_argument("--conversation", default="", help="all of this conversation, also those that are closed")
    listing.add_argument("--limit", type=_limit, default=50, help="how many at most (50)")
    listing.add_argument("--page", default="", help="go on where an earlier list said that there are more")

    show = actions.add_parser("show", help="everything about one, with what the person wrote")
    replay = actions.add_parser("replay", help="try it again")
    discard = actions.add_parser("discard", help="put it aside for good")
    for action in (show, replay, discard):
        action.add_argument("id", help="as `list` prints it")
    for action in (replay, discard):
        action.add_argument("--reason", default="", help="why, for the record")
    for action in (listing, show, replay, discard):
        action.add_argument("--json", action="store_true", help="print JSON, for scripts")
        action.set_defaults(module="local.dead_letters")


def _add_trace(commands: _Commands) -> None:
    parser = commands.add_parser("trace", help="see what happened to a message, or in a conversation")
    parser.add_argument(
        "of", nargs="?", default="", metavar="EVENT_OR_CONVERSATION",
        help="the id of an event, or of a conversation; without it, the conversations that were active last",
    )  # fmt: skip
    parser.add_argument("--in", dest="conversation", default="", help="the conversation in which to look for the event")
    parser.add_argument("--limit", type=_limit, default=20, help="how many events, or conversations, at most (20)")
    parser.add_argument("--text", action="store_true", help="also what people and the assistant wrote")
    parser.add_argument("--html", default="", metavar="FILE", help="write it as a picture: a page for a browser")
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
    parser.set_defaults(module="local.trace")


_COMMANDS: Mapping[str, Callable[[_Commands], None]] = MappingProxyType(
    {
        "up": _add_up,
        "chat": _add_chat,
        "doctor": _add_doctor,
        "dead-letters": _add_dead_letters,
        "trace": _add_trace,
        "channels": _add_channels,
    }
)


def _limit(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1000:
        raise argparse.ArgumentTypeError("a number from 1 to 1000")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())

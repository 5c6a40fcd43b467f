"""`python -m local channels setup`: tells a chat platform where this assistant is and which commands it has."""

from __future__ import annotations

import argparse
import asyncio
import sys

from shared import registry
from shared.app import App
from shared.commands import COMMANDS
from shared.messages import PraxosError
from shared.ports import Registrable


def main(arguments: argparse.Namespace) -> int:
    """Set up `arguments.channel` for the public address `arguments.url`; return the process's exit code."""
    try:
        lines = asyncio.run(_set_up(arguments.channel, url=arguments.url))
    except PraxosError as error:
        print(f"{arguments.channel} is not set up: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


async def _set_up(name: str, *, url: str) -> list[str]:
    app = App()
    try:
        channel = registry.build_function("channels", name)(app.parts)
        if not isinstance(channel, Registrable):
            return [f"{name} needs no set-up"]
        return list(await channel.register(url=url, commands=COMMANDS))
    finally:
        await app.close()

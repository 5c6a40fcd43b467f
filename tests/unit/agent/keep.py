"""Keeps a run that stopped at a question as data: `kept/`, which every later version has to be able to go on from.

    python -m tests.unit.agent.keep NAME

writes `kept/NAME/`: what lies in the data folder, as SQL that can be read, and what the agent was made of then. What is
there already is never written again: those runs were begun by an earlier version, and that is what they are kept for.
When the format of the state changes on purpose (`FORMAT` in `shared/agent/revision.py`), keep one more.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

from shared.agent import revision
from shared.app import App
from tests.fakes.world import World

KEPT = Path(__file__).parent / "kept"
AGENT = "agent.json"
FILES = ("store", "checkpoints", "memory")
SAID = ("remember that my cat is called Tom", "forget everything")


class WholeWorld(World):
    """A world with the real assistant, whose model is the demo."""

    def instance(self) -> App:
        app = App(environ={}, settings=self.settings, clock=self.clock)
        app._channels["fake"] = self.channel
        app.orchestrations = self.orchestrations
        return app


async def keep(folder: Path) -> None:
    """Let somebody be asked for their approval, and write down what is there then."""
    with tempfile.TemporaryDirectory() as home:
        world = WholeWorld(Path(home))
        for n, text in enumerate(SAID, 1):
            await world.arrive(text, n=n)
            await world.settle()
        assert "May I forget everything" in " ".join(world.messages), world.messages
        made = revision.made_of(list(world.app.tools.values()))
        await world.close()
        _write(folder, made, Path(home))


def _write(folder: Path, made: dict[str, Any], home: Path) -> None:
    folder.mkdir(parents=True)
    (folder / AGENT).write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    for name in FILES:
        (folder / f"{name}.sql").write_text(_dumped(home / f"{name}.db"))


def restore(folder: Path, home: Path) -> None:
    """Make a data folder of what was kept."""
    home.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        connection = sqlite3.connect(home / f"{name}.db")
        try:
            connection.executescript((folder / f"{name}.sql").read_text())
        finally:
            connection.close()


def agent(folder: Path) -> dict[str, Any]:
    """What the agent was made of that began the run."""
    made: dict[str, Any] = json.loads((folder / AGENT).read_text())
    return made


def _dumped(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        return "\n".join([*connection.iterdump(), f"PRAGMA user_version = {version};", ""])
    finally:
        connection.close()


if __name__ == "__main__":
    asyncio.run(keep(KEPT / sys.argv[1]))

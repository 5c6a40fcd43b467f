"""`python -m local dead-letters` as an operator meets it, on a data folder with dead letters in it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.messages import Permanent
from tests.fakes.world import World

ROOT = Path(__file__).resolve().parents[3]
TEXT = "a text with \x1b[2J and ünïcode"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Two conversations, each with a message that nobody could handle."""
    made = World(tmp_path)
    for n in (1, 2):
        made.assistant.troubles.append(Permanent(f"no such model, {n}"))
        await made.arrive(TEXT, n=n, chat=f"chat-{n}")
        await made.settle()
        made.clock.pass_(seconds=1)
    yield made
    await made.close()


async def run(home: Path, *arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "local", "dead-letters", *arguments, cwd=ROOT,
        env={**os.environ, "PRAXOS_HOME": str(home)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode(), err.decode()


async def listed(home: Path, *arguments: str) -> list[dict[str, object]]:
    code, out, err = await run(home, "list", "--json", *arguments)
    assert (code, err) == (0, "")
    letters: list[dict[str, object]] = json.loads(out)["letters"]
    return letters


async def test_the_list_says_what_when_where_and_why_and_shows_no_text(world: World) -> None:
    code, out, err = await run(world.home, "list")
    assert (code, err) == (0, "")
    assert "ünïcode" not in out
    first, second, reason, *_ = out.splitlines()
    assert first.startswith("dl-")
    assert " " not in first
    assert "entry open  main:fake:bot:chat-2" in second
    assert reason.strip() == "no such model, 2"


async def test_the_list_has_pages(world: World) -> None:
    _, out, _ = await run(world.home, "list", "--limit", "1")
    more = out.splitlines()[-1]
    assert more.startswith("There are more: --page ")
    _, rest, _ = await run(world.home, "list", "--limit", "1", *more.split(": ")[1].split())
    assert "chat-1" in rest
    assert "There are more" not in rest
    code, _, err = await run(world.home, "list", "--page", "nonsense")
    assert code == 1
    assert len(err.splitlines()) == 1


async def test_show_prints_everything_and_nothing_that_a_terminal_acts_on(world: World) -> None:
    [letter, _] = await listed(world.home)
    code, out, err = await run(world.home, "show", str(letter["id"]))
    assert (code, err) == (0, "")
    assert "ünïcode" in out
    assert "\x1b" not in out
    for words in ("no such model, 2", "the person was told at", "external_id", "state: dead", "state: failed"):
        assert words in out
    code, out, _ = await run(world.home, "show", str(letter["id"]), "--json")
    [entry, _] = json.loads(out)["concerned"].values()
    assert entry["event"]["text"] == TEXT


async def test_replay_and_discard_are_done_once_and_recorded(world: World) -> None:
    [second, first] = await listed(world.home)
    code, out, err = await run(world.home, "replay", str(first["id"]))
    assert (code, out, err) == (0, "Done: it is replayed.\n", "")
    code, out, err = await run(world.home, "replay", str(first["id"]))
    assert (code, out) == (1, "")
    assert "replayed already" in err
    assert len(err.splitlines()) == 1
    code, out, err = await run(world.home, "discard", str(second["id"]), "--reason", "only a test")
    assert (code, out, err) == (0, "Done: it is discarded.\n", "")
    assert await listed(world.home) == []
    _, out, _ = await run(world.home, "show", str(second["id"]))
    assert "discard by " in out
    assert "@" in out
    assert "only a test" in out
    [kept] = await listed(world.home, "--conversation", "main:fake:bot:chat-2")
    assert kept["state"] == "discarded"
    await world.settle()
    assert world.texts[-1].startswith("You said: ")


async def test_what_fails_again_is_said_and_is_an_error_for_scripts(world: World) -> None:
    await world.app.intake.receive(b"garbage")
    [garbage] = [letter for letter in await listed(world.home) if letter["about"] == "message"]
    code, out, err = await run(world.home, "replay", str(garbage["id"]))
    assert (code, out.partition(":")[0]) == (1, "It failed again and stays open")
    assert "Traceback" not in err


async def test_an_id_of_nothing_and_a_folder_without_letters_are_said(world: World, tmp_path: Path) -> None:
    code, out, err = await run(world.home, "show", "dl-nonsense")
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    code, out, err = await run(tmp_path / "another", "list")
    assert (code, out, err) == (0, "There are none.\n", "")


@pytest.mark.parametrize("arguments", [(), ("list", "--limit", "0"), ("show",), ("burn", "x")])
async def test_what_it_is_not_made_for_is_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, out, err = await run(tmp_path, *arguments)
    assert (code, out) == (2, "")
    assert "usage" in err

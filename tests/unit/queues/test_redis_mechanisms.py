"""Each mechanism that the Redis broker's guarantees rest on is switched off: the test that is named for it turns red."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shared.queues.redis_ears import Ears
from shared.queues.redis_presence import Presence
from shared.queues.redis_server import RedisServer
from shared.topology import TURNS
from tests.unit.queues import test_redis_broker as clients
from tests.unit.queues import test_redis_servers as servers
from tests.unit.queues.redis_kit import AOF, Place, both_come_free, holder, own_place, send

SOON = 4.0
"""How long a test waits, with its mechanism switched off, for what will not come."""

Scenario = Callable[[Path], Awaitable[None]]
Switch = Callable[[pytest.MonkeyPatch], None]


def somewhere(scenario: Callable[[Place], Awaitable[None]]) -> Scenario:
    """On a server of its own."""

    async def run(folder: Path) -> None:
        async with own_place(folder, *AOF) as place:
            await scenario(place)

    return run


async def locks_of_a_killed_process_come_back(place: Place) -> None:
    async with holder(place, seconds=1) as process:
        process.kill()
        await both_come_free(place.open(), SOON)


async def a_living_process_keeps_its_locks(place: Place) -> None:
    first, second = place.open(holder_seconds=2), place.open(holder_seconds=2)
    await send(first, TURNS, "a")
    assert len(await first.receive(queue=TURNS, limit=1)) == 1
    assert not await second.receive(queue=TURNS, limit=1)
    await second.wait(queues=[TURNS], timeout=SOON)
    assert not await second.receive(queue=TURNS, limit=1), "it lives, and its lock was given away"


# --- the switches


def nobody_clears_up(patch: pytest.MonkeyPatch) -> None:
    """Who has fallen silent keeps its locks until they end."""
    beat = Presence._beat
    patch.setattr(Presence, "_beat", lambda self, *, clear_up: beat(self, clear_up=False))


def the_first_says_nothing(patch: pytest.MonkeyPatch) -> None:
    """The first broker that is opened is silent although it lives."""
    beat, silent = Presence._beat, list[Presence]()

    async def mute(self: Presence, *, clear_up: bool) -> bool:
        silent.append(self)
        return True if self is silent[0] else await beat(self, clear_up=clear_up)

    patch.setattr(Presence, "_beat", mute)


def wakeups_get_lost(patch: pytest.MonkeyPatch) -> None:
    """What is published reaches nobody."""
    patch.setattr(Ears, "_ring", lambda *_: None)


def ids_are_not_looked_up(patch: pytest.MonkeyPatch) -> None:
    """The script that sends swallows nothing."""
    script = RedisServer._script

    def without(self: RedisServer, name: str) -> tuple[str, str]:
        source, digest = script(self, name)
        return source.replace("if ends and tonumber(ends) > now then return true end", ""), f"{digest[:-1]}x"

    patch.setattr(RedisServer, "_script", without)


def nothing(_: pytest.MonkeyPatch) -> None:
    """What is switched off is an argument of the scenario."""


@dataclass(frozen=True)
class Mechanism:
    """What keeps a guarantee, how it is switched off, and the test that must notice."""

    name: str
    off: Switch
    noticed_by: Scenario
    without: Scenario | None = None


def wakes(patience: float) -> Scenario:
    return somewhere(partial(clients.who_waits_wakes_at_once, patience=patience))


MECHANISMS: Sequence[Mechanism] = (
    Mechanism("clearing up after the dead", nobody_clears_up, somewhere(locks_of_a_killed_process_come_back)),
    Mechanism("saying that it lives", the_first_says_nothing, somewhere(a_living_process_keeps_its_locks)),
    Mechanism("publishing wake-ups", wakeups_get_lost, wakes(1.0)),
    Mechanism("ids that were seen", ids_are_not_looked_up, partial(servers.comes_back_with_everything, options=AOF)),
    Mechanism(
        "the server's time",
        nothing,
        somewhere(clients.locks_go_by_one_clock),
        somewhere(partial(clients.locks_go_by_one_clock, server_time=False)),
    ),
    Mechanism(
        "the append-only file",
        nothing,
        partial(servers.comes_back_with_everything, options=AOF),
        partial(servers.comes_back_with_everything, options=()),
    ),
)


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda mechanism: mechanism.name)
async def test_its_test_turns_red_without_it(mechanism: Mechanism, tmp_path: Path) -> None:
    await mechanism.noticed_by(folder(tmp_path, "before"))
    with pytest.MonkeyPatch.context() as patch:
        mechanism.off(patch)
        with pytest.raises(AssertionError):
            await (mechanism.without or mechanism.noticed_by)(folder(tmp_path, "without"))


def folder(path: Path, name: str) -> Path:
    made = path / name
    made.mkdir()
    return made


def test_this_file_uses_what_is_there() -> None:
    """A switch that replaces nothing would prove nothing."""
    source: Any = RedisServer(address="redis://127.0.0.1:1", timeout=1, cluster=False)._script("send")[0]
    assert "if ends and tonumber(ends) > now then return true end" in source

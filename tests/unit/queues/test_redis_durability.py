"""What a Redis server's settings mean, in plain sentences."""

from __future__ import annotations

import pytest

from shared.queues.redis_durability import Facts, explain
from shared.settings import Sync

SAFE = {"appendonly": "yes", "appendfsync": "always", "save": "", "maxmemory": "0", "maxmemory-policy": "noeviction"}


def said(sync: Sync = Sync.NORMAL, *, version: str = "7.0.15", replica: bool = False, **changed: str) -> list[str]:
    """The sentences, those that are wrong with a mark."""
    settings = SAFE | {name.replace("_", "-"): value for name, value in changed.items()}
    facts = Facts(version, replica=replica, settings=settings)
    return [f"{'WRONG: ' if remark.wrong else ''}{remark.text}" for remark in explain(facts, sync)][1:]


@pytest.mark.parametrize("sync", Sync)
def test_always_survives_a_power_loss(sync: Sync) -> None:
    [text] = said(sync)
    assert text == "an acknowledged message survives a killed server and a power loss (appendfsync always)"


def test_every_second_may_lose_a_second() -> None:
    [text] = said(appendfsync="everysec")
    assert "a killed server loses nothing, a power loss up to about a second" in text
    assert not text.startswith("WRONG")


def test_every_second_does_not_keep_full_sync() -> None:
    [text] = said(Sync.FULL, appendfsync="everysec")
    assert text.startswith("WRONG")
    assert "PRAXOS_SYNC=full needs appendfsync always" in text


def test_no_may_lose_more() -> None:
    [text] = said(appendfsync="no")
    assert "half a minute" in text


@pytest.mark.parametrize(("save", "lost"), [("", "everything in it"), ("3600 1", "everything since its last snapshot")])
def test_without_a_file_it_is_lost_with_the_server(save: str, lost: str) -> None:
    [text] = said(appendonly="no", save=save)
    assert text.startswith("WRONG")
    assert lost in text


@pytest.mark.parametrize(
    ("policy", "most", "says"),
    [
        ("allkeys-lru", "100mb", "WRONG: maxmemory-policy allkeys-lru may drop messages"),
        ("allkeys-random", "0", "WRONG: maxmemory-policy allkeys-random would drop messages"),
        ("volatile-lru", "100mb", "maxmemory-policy volatile-lru drops no message"),
    ],
)
def test_what_may_be_dropped_when_memory_is_full(policy: str, most: str, says: str) -> None:
    [_, text] = said(maxmemory_policy=policy, maxmemory=most)
    assert text.startswith(says)


def test_a_replica_and_a_server_that_is_too_old() -> None:
    assert said(replica=True)[0].startswith("WRONG: it is a replica")
    [remark, *_] = explain(Facts("5.0.14", settings=SAFE), Sync.NORMAL)
    assert remark.wrong
    assert "too old" in remark.text


def test_what_could_not_be_written_is_said() -> None:
    remarks = list(explain(Facts("7.0.15", settings=SAFE, trouble=("aof_last_write_status",)), Sync.NORMAL))
    assert any(remark.wrong and "could not write" in remark.text for remark in remarks)


@pytest.mark.parametrize("sync", Sync)
def test_what_cannot_be_known_is_not_claimed(sync: Sync) -> None:
    [_, remark] = explain(Facts("7.2.4"), sync)
    assert "cannot be known" in remark.text
    assert ("PRAXOS_SYNC=full cannot be checked" in remark.text) is (sync is Sync.FULL)

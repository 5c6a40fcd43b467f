"""What `python -m local doctor` says of a queue on a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import doctor
from local.doctor import Finding, Mark
from tests.redis_process import RedisProcess


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PRAXOS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PRAXOS_PORT", "0")
    return tmp_path


async def findings(subject: str) -> list[Finding]:
    return [finding for finding in await doctor._examine() if finding.subject == subject]


async def test_a_redis_is_explained(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RedisProcess(home, "--appendonly", "yes", "--maxmemory-policy", "allkeys-lru") as server:
        monkeypatch.setenv("PRAXOS_QUEUE", server.address)
        answers, persistence, memory = await findings("queue")
    assert (answers.mark, "answers" in answers.text) == (Mark.GOOD, True)
    assert (persistence.mark, "about a second" in persistence.text) == (Mark.GOOD, True)
    assert (memory.mark, "drop messages" in memory.text) == (Mark.BAD, True)


async def test_a_redis_that_cannot_keep_full_sync_has_to_be_fixed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRAXOS_SYNC", "full")
    with RedisProcess(home, "--appendonly", "yes", "--appendfsync", "everysec") as server:
        monkeypatch.setenv("PRAXOS_QUEUE", server.address)
        [_, persistence] = await findings("queue")
        server.ask("CONFIG", "SET", "appendfsync", "always")
        [_, then] = await findings("queue")
    assert (persistence.mark, "appendfsync always" in persistence.text) == (Mark.BAD, True)
    assert (then.mark, "a power loss" in then.text) == (Mark.GOOD, True)


async def test_a_redis_that_is_away_is_said_without_its_password(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRAXOS_QUEUE", "redis://user:hidden@127.0.0.1:1/0")
    found = await doctor._examine()
    assert [finding.mark for finding in found if "Redis does not answer" in finding.text] == [Mark.BAD]
    assert not any("hidden" in finding.text for finding in found)


async def test_the_local_queue_is_not_examined(home: Path) -> None:
    assert await findings("queue") == []
    [durability] = await findings("durability")
    assert "what is acknowledged survives a killed process" in durability.text

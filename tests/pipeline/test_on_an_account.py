"""What `--store service` does with the account of COSMOS_ENDPOINT, shown on an account of ours."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.cosmos import beside
from tests.fakes.cosmos.front import KEY
from tests.pipeline.deployment import ROOT, Deployment, until


@pytest.fixture
async def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """An account in a process of its own, as any real one is; its address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fakes.cosmos.account", str(tmp_path / "account"), "0"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    url = (await process.stdout.readline()).decode().strip()
    monkeypatch.setenv("COSMOS_ENDPOINT", url)
    monkeypatch.setenv("COSMOS_KEY", KEY)
    monkeypatch.setattr(beside, "_chosen", beside.Kind.SERVICE)
    yield url
    process.terminate()
    await process.wait()


async def test_a_database_of_its_own_outlives_its_hosts_and_goes_with_the_test(
    account: str, deployment: Deployment
) -> None:
    await deployment.start()
    await deployment.say("one")
    await deployment.heard("You said: one")
    await deployment.kill()
    await deployment.start()
    await deployment.say("two")
    await deployment.heard("You said: two")
    await until(lambda: deployment.count("part", state="sent") == 2, what=lambda: "both replies are recorded as sent")
    assert [run["entry"] for run in deployment.documents("run")] == [1, 2]
    assert not (deployment.home / "store.db").exists(), "the truth is on the account"
    database = beside.database(deployment.home)
    assert database
    assert database.url == account
    assert await status(deployment, f"{account}/dbs/{database.name}") == 200

    await deployment.kill()
    await deployment.forget()
    assert await status(deployment, f"{account}/dbs/{database.name}") == 404


async def status(deployment: Deployment, url: str) -> int:
    async with deployment.http.get(url, headers={"Authorization": "any"}) as response:
        return response.status

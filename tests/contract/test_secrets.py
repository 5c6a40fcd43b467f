"""The SecretStore port, over every implementation."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from shared import ids
from shared.messages import SettingError
from shared.ports import SecretStore
from shared.secrets.file import FileSecrets, build
from tests.fakes import key_vault as vault
from tests.fakes.certificates import Certificate
from tests.fakes.clock import ManualClock
from tests.fakes.tools import parts

ROOT = Path(__file__).resolve().parents[2]


def file(path: Path) -> SecretStore:
    return FileSecrets(path / "secrets.json")


@pytest.fixture(params=["file", "key_vault"])
async def opened(
    request: pytest.FixtureRequest, tmp_path: Path, certificate: Certificate
) -> AsyncIterator[Callable[[], SecretStore]]:
    """Opens the store; a second call is a second client of the same secrets."""
    clients: list[SecretStore] = []

    async with AsyncExitStack() as stack:
        open_one = partial(file, tmp_path)
        if request.param == "key_vault":
            server = await stack.enter_async_context(vault.serving(certificate))
            open_one = partial(vault.secrets, server, ManualClock())

        def another() -> SecretStore:
            clients.append(open_one())
            return clients[-1]

        yield another
        for client in clients:
            await client.close()


@pytest.fixture
def store(opened: Callable[[], SecretStore]) -> SecretStore:
    return opened()


async def test_what_is_put_is_got_by_every_client(store: SecretStore, opened: Callable[[], SecretStore]) -> None:
    assert await store.get(name="token") is None
    await store.put(name="token", value="one")
    assert await opened().get(name="token") == "one"
    await opened().put(name="token", value="two")
    assert await store.get(name="token") == "two"


async def test_create_keeps_what_is_there(store: SecretStore, opened: Callable[[], SecretStore]) -> None:
    assert await store.create(name="code", value="one") == "one"
    assert await opened().create(name="code", value="two") == "one"
    assert await store.get(name="code") == "one"


async def test_of_many_that_create_at_once_one_wins(opened: Callable[[], SecretStore]) -> None:
    won = await asyncio.gather(*(opened().create(name="code", value=str(number)) for number in range(20)))
    assert len(set(won)) == 1
    assert await opened().get(name="code") == won[0]


async def test_writes_at_once_lose_nothing(opened: Callable[[], SecretStore]) -> None:
    await asyncio.gather(*(opened().put(name=f"token-{number}", value=str(number)) for number in range(30)))
    store = opened()
    assert [await store.get(name=f"token-{number}") for number in range(30)] == [str(number) for number in range(30)]


async def test_what_has_another_version_in_the_store_is_read_again(
    store: SecretStore, opened: Callable[[], SecretStore]
) -> None:
    await store.put(name="token", value="one")
    assert await store.get(name="token", version="1") == "one"
    await opened().put(name="token", value="two")
    assert await store.get(name="token", version="2") == "two"
    await opened().disable(name="token")
    assert await store.get(name="token", version="3") is None


async def test_a_disabled_one_is_not_readable_until_it_is_put_again(store: SecretStore) -> None:
    await store.put(name="token", value="one")
    await store.disable(name="token")
    await store.disable(name="unknown")
    assert await store.get(name="token") is None
    assert await store.create(name="token", value="two") == "two"
    await store.disable(name="token")
    await store.put(name="token", value="three")
    assert await store.get(name="token") == "three"


@pytest.mark.parametrize("value", ["", "grün 🙂", 'quote " and \\', "line\nbreak", "\0", "x" * 25_000])
async def test_any_text_is_kept(store: SecretStore, value: str) -> None:
    await store.put(name="token", value=value)
    assert await store.get(name="token") == value


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../x", "grün", "a_b", "x" * (ids.SECRET_LENGTH + 1), "a\n"])
async def test_a_name_that_key_vault_refuses_is_refused(store: SecretStore, name: str) -> None:
    with pytest.raises(ValueError, match=r"shared\.ids\.secret"):
        await store.get(name=name)
    with pytest.raises(ValueError, match=r"shared\.ids\.secret"):
        await store.put(name=name, value="x")


async def test_derived_names_are_taken(store: SecretStore) -> None:
    name = ids.secret("cred", "main:user:google")
    await store.put(name=name, value="x")
    assert await store.get(name=name) == "x"


class TestFile:
    """What only a file has."""

    async def test_it_is_for_its_owner_only(self, tmp_path: Path) -> None:
        previous = os.umask(0)
        try:
            await file(tmp_path / "home").put(name="token", value="one")
        finally:
            os.umask(previous)
        for path in (tmp_path / "home").iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
        assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700

    @pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604])
    async def test_one_that_others_can_read_is_not_used(self, tmp_path: Path, mode: int) -> None:
        store = file(tmp_path)
        await store.put(name="token", value="one")
        (tmp_path / "secrets.json").chmod(mode)
        with pytest.raises(SettingError, match=r"PRAXOS_HOME: .*chmod 600") as caught:
            await store.get(name="token")
        assert "one" not in str(caught.value).split()
        with pytest.raises(SettingError, match="PRAXOS_HOME"):
            await store.put(name="token", value="two")
        (tmp_path / "secrets.json").chmod(0o600)
        assert await store.get(name="token") == "one"

    async def test_a_write_replaces_it_as_a_whole(self, tmp_path: Path) -> None:
        store = file(tmp_path)
        await store.put(name="token", value="one")
        before = (tmp_path / "secrets.json").stat().st_ino
        await store.put(name="token", value="two")
        assert (tmp_path / "secrets.json").stat().st_ino != before
        assert sorted(os.listdir(tmp_path)) == ["secrets.json", "secrets.lock"]

    async def test_a_disabled_value_is_in_it_no_more(self, tmp_path: Path) -> None:
        store = file(tmp_path)
        await store.put(name="token", value="hunter2")
        assert "hunter2" in (tmp_path / "secrets.json").read_text()
        await store.disable(name="token")
        assert "hunter2" not in (tmp_path / "secrets.json").read_text()

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"secrets": {"token": 1}}'])
    async def test_a_damaged_one_is_left_as_it_is(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "secrets.json"
        path.write_text(content)
        path.chmod(0o600)
        with pytest.raises(SettingError, match="damaged"):
            await file(tmp_path).put(name="token", value="one")
        assert path.read_text() == content

    async def test_one_of_a_newer_version_is_left_as_it_is(self, tmp_path: Path) -> None:
        path = tmp_path / "secrets.json"
        path.write_text(json.dumps({"version": 2, "secrets": {}}))
        path.chmod(0o600)
        with pytest.raises(SettingError, match="newer"):
            await file(tmp_path).put(name="token", value="one")

    async def test_a_folder_that_cannot_be_used_names_its_setting(self, tmp_path: Path) -> None:
        (tmp_path / "home").write_text("in the way")
        with pytest.raises(SettingError, match="PRAXOS_HOME"):
            await file(tmp_path / "home").put(name="token", value="one")

    def test_processes_take_turns(self, tmp_path: Path) -> None:
        script = (
            "import asyncio, sys; from pathlib import Path; from shared.secrets.file import FileSecrets\n"
            "async def main():\n"
            "    store = FileSecrets(Path(sys.argv[1]))\n"
            "    for number in range(25): await store.put(name=f'{sys.argv[2]}-{number}', value='x')\n"
            "asyncio.run(main())\n"
        )
        path = tmp_path / "secrets.json"
        running = [
            subprocess.Popen([sys.executable, "-c", script, str(path), name], cwd=ROOT) for name in ("a", "b", "c")
        ]
        assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
        assert len(json.loads(path.read_text())["secrets"]) == 75

    async def test_it_shows_no_secret_of_itself(self, tmp_path: Path) -> None:
        store = build(parts(tmp_path))
        await store.put(name="token", value="hunter2")
        assert "hunter2" not in repr(store) + repr(store._read())

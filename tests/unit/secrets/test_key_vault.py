"""What only Key Vault has: versions, candidates, deleted names, roles, throttling, and a cache in front."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from shared.azure_errors import Misconfigured
from shared.messages import SettingError, TooLarge, Transient
from shared.secrets import key_vault as adapter
from shared.secrets import key_vault_client as client
from shared.secrets.key_vault import ABSENCE_SECONDS, KEPT_SECONDS, KeyVaultSecrets, build
from tests.fakes.certificates import Certificate
from tests.fakes.clock import ManualClock
from tests.fakes.key_vault import KeyVault, Version, secrets, serving
from tests.fakes.tools import parts

LONG_AGO = 1_700_000_000


@pytest.fixture
async def vault(certificate: Certificate) -> AsyncIterator[KeyVault]:
    async with serving(certificate) as running:
        yield running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(vault: KeyVault, clock: ManualClock) -> AsyncIterator[KeyVaultSecrets]:
    opened = secrets(vault, clock)
    yield opened
    await opened.close()


# --- versions ---


async def test_a_write_disables_the_version_before_it(store: KeyVaultSecrets, vault: KeyVault) -> None:
    for value in ("one", "two", "three"):
        await store.put(name="token", value=value)
    assert [version.value for version in vault.secrets["token"]] == ["one", "two", "three"]
    assert vault.enabled("token") == ["three"]


async def test_what_does_not_change_is_not_written(store: KeyVaultSecrets, vault: KeyVault) -> None:
    await store.put(name="token", value="one")
    await store.put(name="token", value="one")
    assert len(vault.secrets["token"]) == 1


async def test_disabling_disables_every_version_and_deletes_none(store: KeyVaultSecrets, vault: KeyVault) -> None:
    vault.secrets["token"] = [Version(str(number), {}) for number in range(60)]  # more than a page of the list
    await store.disable(name="token")
    assert vault.enabled("token") == []
    assert len(vault.secrets["token"]) == 60
    assert not any(call.startswith("DELETE") for call in vault.calls)
    assert await store.get(name="token") is None


@pytest.mark.parametrize("value", ["plain", "grün 🙂"])
async def test_an_operator_reads_plain_text(store: KeyVaultSecrets, vault: KeyVault, value: str) -> None:
    await store.put(name="token", value=value)
    assert vault.enabled("token") == [value]


@pytest.mark.parametrize("value", ["", "base64:", "base64:eA==", "base64:!", " \t"])
async def test_what_is_no_plain_text_comes_back_as_it_was(store: KeyVaultSecrets, value: str) -> None:
    await store.put(name="token", value=value)
    assert await store.get(name="token") == value


async def test_what_somebody_else_wrote_is_theirs(store: KeyVaultSecrets, vault: KeyVault) -> None:
    vault.secrets["token"] = [Version("base64:not ours", {"team": "x"})]
    assert await store.get(name="token") == "base64:not ours"


async def test_what_does_not_fit_is_refused_before_it_is_sent(store: KeyVaultSecrets, vault: KeyVault) -> None:
    with pytest.raises(TooLarge, match="25600 bytes"):
        await store.put(name="token", value="x" * 25_601)
    assert not any(call.startswith("PUT") for call in vault.calls)


# --- creating ---


async def test_the_first_candidate_counts_for_everybody_and_the_others_are_disabled(
    vault: KeyVault, clock: ManualClock
) -> None:
    """Both read that there is none before either has written."""
    both = asyncio.Barrier(2)

    async def together(request: web.Request) -> None:
        if request.method == "PUT":
            await both.wait()

    vault.before = together
    stores = [secrets(vault, clock) for _ in range(2)]
    made = await asyncio.gather(*(store.create(name="code", value=str(id(store))) for store in stores))
    assert len(vault.secrets["code"]) == 2, "both wrote one"
    assert made[0] == made[1]
    assert vault.enabled("code") == [made[0]]
    assert [await store.get(name="code") for store in stores] == made
    for store in stores:
        await store.close()


async def test_an_early_candidate_stands_against_one_that_came_late(store: KeyVaultSecrets, vault: KeyVault) -> None:
    """A process that stood still between reading and writing, and died before it disabled its own."""
    made_by = {"made-by": "create"}
    vault.secrets["code"] = [Version("first", made_by, created=LONG_AGO), Version("late", made_by)]
    assert await store.get(name="code") == "first"
    assert await store.create(name="code", value="mine") == "first"


async def test_what_was_put_beats_every_candidate(store: KeyVaultSecrets, vault: KeyVault) -> None:
    candidate = Version("candidate", {"made-by": "create"})
    vault.secrets["code"] = [Version("put", {}, created=LONG_AGO), candidate]
    assert await store.get(name="code") == "put"
    await store.put(name="code", value="newer")
    assert vault.enabled("code") == ["newer"]


async def test_a_value_that_counts_is_found_behind_a_disabled_one(store: KeyVaultSecrets, vault: KeyVault) -> None:
    vault.secrets["code"] = [
        Version("first", {"made-by": "create"}),
        Version("x", {"made-by": "create"}, enabled=False),
    ]
    assert await store.get(name="code") == "first"


# --- deleted names ---


async def test_a_deleted_one_is_not_there(store: KeyVaultSecrets, vault: KeyVault) -> None:
    await store.put(name="token", value="one")
    vault.delete("token")
    assert await store.get(name="token") is None
    await store.disable(name="token")


async def test_a_deleted_name_is_recovered_before_it_is_written(store: KeyVaultSecrets, vault: KeyVault) -> None:
    await store.put(name="token", value="one")
    vault.delete("token")
    await store.put(name="token", value="two")
    assert await store.get(name="token") == "two"
    assert vault.enabled("token") == ["two"]


async def test_creating_a_deleted_one_brings_back_what_it_was(store: KeyVaultSecrets, vault: KeyVault) -> None:
    await store.put(name="code", value="one")
    vault.delete("code")
    assert await store.create(name="code", value="two") == "one"


async def test_a_name_between_two_states_is_trouble_that_may_pass(store: KeyVaultSecrets, vault: KeyVault) -> None:
    async def in_between(request: web.Request) -> None:
        if request.method == "PUT":
            vault.fail(409, inner="ObjectIsBeingDeleted")

    vault.before = in_between
    with pytest.raises(Transient, match="'token' is being deleted or recovered"):
        await store.put(name="token", value="one")


# --- who may ---


async def test_a_missing_role_is_named(store: KeyVaultSecrets, vault: KeyVault) -> None:
    vault.permitted = False
    for call in (store.get(name="a"), store.put(name="a", value="hunter2"), store.disable(name="a")):
        with pytest.raises(Misconfigured, match="assign it the role 'Key Vault Secrets Officer'") as caught:
            await call
        assert "hunter2" not in str(caught.value)
    vault.permitted = True
    await store.put(name="a", value="x")
    assert await store.get(name="a") == "x"


async def test_a_token_that_is_not_taken_is_said(vault: KeyVault, clock: ManualClock) -> None:
    store = secrets(vault, clock, token="somebody else's")
    with pytest.raises(Misconfigured, match="refuses this identity"):
        await store.get(name="a")
    await store.close()


async def test_who_is_no_vault_gets_no_token(vault: KeyVault, store: KeyVaultSecrets) -> None:
    vault.resource = "https://vault.azure.net"  # asks for a token that another host would take
    with pytest.raises(Misconfigured, match="PRAXOS_KEY_VAULT_URL: .* does not answer as a vault"):
        await store.get(name="a")
    assert vault.calls == []


# --- trouble that may pass ---


async def test_a_short_pause_is_waited_for(store: KeyVaultSecrets, vault: KeyVault) -> None:
    await store.put(name="token", value="one")
    vault.calls.clear()
    vault.fail(429, Retry_After="0.05")
    assert await store.get(name="token") == "one"
    assert len(vault.calls) == 2


async def test_a_long_pause_is_left_to_the_caller(store: KeyVaultSecrets, vault: KeyVault) -> None:
    vault.fail(429, times=100, Retry_After="60")
    with pytest.raises(Transient, match="Key Vault answered 429") as caught:
        await store.get(name="token")
    assert caught.value.retry_after == 60
    assert len(vault.calls) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_tries_are_bounded(store: KeyVaultSecrets, vault: KeyVault, status: int) -> None:
    vault.fail(status, times=100)
    with pytest.raises(Transient, match=f"Key Vault answered {status}"):
        await store.get(name="token")
    assert len(vault.calls) == 3
    vault.faults.clear()
    assert await store.get(name="token") is None, "trouble is not cached"


async def test_a_vault_that_is_away_is_trouble_that_may_pass(vault: KeyVault, clock: ManualClock) -> None:
    vault.url = "https://127.0.0.1:1"
    store = secrets(vault, clock)
    with pytest.raises(Transient, match="Key Vault cannot be reached"):
        await store.get(name="token")
    await store.close()


async def test_a_call_ends_in_time(store: KeyVaultSecrets, vault: KeyVault, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_: web.Request) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(client, "CALL_SECONDS", 0.05)
    vault.before = never
    with pytest.raises(Transient, match=r"Key Vault did not answer within 0\.05 s"):
        await store.get(name="token")


async def test_an_old_version_that_cannot_be_disabled_takes_nothing_back(
    store: KeyVaultSecrets, vault: KeyVault
) -> None:
    await store.put(name="token", value="one")

    async def no_changes(request: web.Request) -> None:
        vault.permitted = request.method != "PATCH"

    vault.before = no_changes
    await store.put(name="token", value="two")
    assert await store.get(name="token") == "two"


# --- the cache ---


async def test_many_readers_ask_once_an_hour(store: KeyVaultSecrets, vault: KeyVault, clock: ManualClock) -> None:
    await store.put(name="token", value="one")
    vault.calls.clear()
    assert await asyncio.gather(*(store.get(name="token") for _ in range(20))) == ["one"] * 20
    clock.pass_(seconds=KEPT_SECONDS - 1)
    await store.get(name="token")
    assert len(vault.calls) == 1
    clock.pass_(seconds=1)
    await store.get(name="token")
    assert len(vault.calls) == 2


async def test_absence_is_believed_for_a_moment(store: KeyVaultSecrets, vault: KeyVault, clock: ManualClock) -> None:
    assert await store.get(name="token") is None
    vault.secrets["token"] = [Version("one", {})]
    clock.pass_(seconds=ABSENCE_SECONDS - 1)
    assert await store.get(name="token") is None
    assert len(vault.calls) == 1
    clock.pass_(seconds=1)
    assert await store.get(name="token") == "one"


async def test_a_change_here_acts_at_once(store: KeyVaultSecrets) -> None:
    assert await store.get(name="token") is None
    await store.put(name="token", value="one")
    assert await store.get(name="token") == "one"
    await store.disable(name="token")
    assert await store.get(name="token") is None


async def test_its_memory_is_bounded(store: KeyVaultSecrets, vault: KeyVault, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(200):
        vault.secrets[f"token-{number}"] = [Version("x" * 25_000, {})]
    for number in range(200):
        await store.get(name=f"token-{number}")
        assert store._cache.held <= adapter.CACHE_CHARACTERS
    assert store._cache.held > adapter.CACHE_CHARACTERS - 26_000


# --- settings ---


@pytest.mark.parametrize("url", ["", "http://v.vault.azure.net", "https://"])
def test_settings_that_cannot_work_are_said(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingError, match="PRAXOS_KEY_VAULT_URL is"):
        build(replace(parts(tmp_path), environ={"PRAXOS_KEY_VAULT_URL": url}))

"""Secrets in Azure Key Vault.

Key Vault knows versions, of which the latest is the secret, and no conditional writes. So the rules are:

- `put` writes a version and then disables the one that it replaces. The latest one counts.
- `create` writes a version that is tagged as a candidate, waits until no other can have been made in the same second
  (the service's times are whole seconds), and then reads which enabled candidate is the first: that one counts, for
  everybody and for good, and the others disable their own. An enabled `put` beats every candidate.

What remains: `create` returns the same value to all only as far as a list of versions shows every version whose writing
has ended, and two `put` at the same moment are ordered by the service alone.
"""

from __future__ import annotations

import asyncio
from functools import partial

from shared.azure_identity import credential
from shared.cache import Cache
from shared.messages import Transient
from shared.ports import Clock, Parts
from shared.secrets import names
from shared.secrets.key_vault_client import Deleted, Vault, Version
from shared.secrets.key_vault_settings import KeyVaultSettings
from shared.telemetry import logger

KEPT_SECONDS = 3600.0
ABSENCE_SECONDS = 30.0
"""How long it is believed that there is none: somebody may be adding it."""
CACHE_CHARACTERS = 4_000_000
"""What the cached values of one process have in all."""
SETTLE_SECONDS = 1.1
"""Just over the second that is the finest time which Key Vault gives a version."""
RACES = 3

log = logger(__name__)


def build(parts: Parts) -> KeyVaultSecrets:
    """The secrets in the vault that the settings name. Raises SettingError. Connects on first use."""
    settings = KeyVaultSettings.from_environ(parts.environ)
    settings.check()
    return KeyVaultSecrets(Vault(settings.url, identity=partial(credential, parts.environ)), clock=parts.clock)


class KeyVaultSecrets:
    """The SecretStore port on a vault. What is read is kept for an hour at most, and until it is changed here."""

    def __init__(self, vault: Vault, *, clock: Clock) -> None:
        self._vault = vault
        self._cache: Cache[str | None] = Cache(
            clock=clock,
            seconds=lambda value: ABSENCE_SECONDS if value is None else KEPT_SECONDS,
            most=CACHE_CHARACTERS,
            weight=lambda value: 100 + len(value or ""),
        )

    async def get(self, *, name: str, version: str = "") -> str | None:
        """The secret's value; None when there is none, or when it is disabled or deleted.

        Raises Transient, and Misconfigured where the identity may not read it.
        """
        names.check(name)
        return await self._cache.get(name, partial(self._read, name), version=version)

    async def create(self, *, name: str, value: str) -> str:
        """Keep the value if there is none yet; return the one that is there now. A deleted one is recovered first."""
        names.check(name)
        try:
            for _ in range(RACES):
                known = await self._read(name)
                if known is not None:
                    return known
                try:
                    own = await self._vault.write(name, value, candidate=True)
                except Deleted:
                    await self._vault.recover(name)
                    continue
                await asyncio.sleep(SETTLE_SECONDS)
                first, _ = await self._standing(name)
                if first and first.value is not None:
                    if first.id != own:
                        await self._retire(name, [own])
                    return first.value
        finally:
            self._cache.forget(name)
        raise Transient(f"Key Vault: others change the secret {name!r} at the same time")

    async def put(self, *, name: str, value: str) -> None:
        """Overwrite, if it is another value. A deleted one is recovered first; a disabled one is readable again."""
        names.check(name)
        try:
            for _ in range(RACES):
                standing, older = await self._standing(name)
                if standing and standing.value == value:
                    return
                try:
                    await self._vault.write(name, value)
                except Deleted:
                    await self._vault.recover(name)
                    continue
                await self._retire(name, older)
                return
        finally:
            self._cache.forget(name)
        raise Transient(f"Key Vault: others delete the secret {name!r} at the same time")

    async def disable(self, *, name: str) -> None:
        """Make every version unreadable. Nothing is ever deleted."""
        names.check(name)
        try:
            for version in await self._vault.enabled(name):
                await self._vault.disable(name, version.id)
        finally:
            self._cache.forget(name)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._vault.close()

    async def _read(self, name: str) -> str | None:
        standing, _ = await self._standing(name)
        return standing.value if standing else None

    async def _standing(self, name: str) -> tuple[Version | None, list[str]]:
        """The version that counts, with its value, and the ids of those that are enabled, as far as they are known."""
        latest = await self._vault.fetch(name)
        if latest is None:
            return None, []
        if latest.enabled and not latest.candidate:
            return latest, [latest.id]
        enabled = await self._vault.enabled(name)
        chosen = _that_counts(enabled)
        found = await self._vault.fetch(name, chosen.id) if chosen else None
        return found if found and found.enabled else None, [version.id for version in enabled]

    async def _retire(self, name: str, versions: list[str]) -> None:
        """Disable what counts no more. Best effort: the truth does not hang on it."""
        for version in versions:
            try:
                await self._vault.disable(name, version)
            except Transient as trouble:
                log.warning("an old version of a secret stays enabled", extra={"fields": {"error": str(trouble)}})


def _that_counts(enabled: list[Version]) -> Version | None:
    """The newest that was put, else the first candidate. Times are whole seconds; equal ones go by their ids."""
    put = [version for version in enabled if not version.candidate]
    if put:
        return max(put, key=lambda version: (version.created_at, version.id))
    return min(enabled, key=lambda version: (version.created_at, version.id), default=None)

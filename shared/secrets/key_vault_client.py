"""Key Vault, one call at a time: versions of secrets, and what the service's refusals mean."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.core.pipeline.policies import AsyncRetryPolicy
from azure.keyvault.secrets import KeyVaultSecret, SecretProperties
from azure.keyvault.secrets.aio import SecretClient

from shared.azure_errors import Misconfigured, Service, calling
from shared.messages import PraxosError, TooLarge, Transient

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline import PipelineResponse

CALL_SECONDS = 30.0
"""For one call with its retries, also for a recovery, which takes some seconds."""
LONGEST_WAIT = 10.0
"""Seconds. A service that asks for a longer pause is asked again later, not waited for."""
VALUE_BYTES = 25 * 1024
"""learn.microsoft.com/azure/key-vault/secrets/about-secrets: at most 25 KB."""

SERVICE = Service("Key Vault", role="Key Vault Secrets Officer")

_MADE_BY = "made-by"
_CREATE = "create"
_BASE64 = "base64:"


class Deleted(PraxosError):
    """The name belongs to a secret that somebody deleted; it can only be recovered."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a secret. `value` is None where it was only listed."""

    id: str
    created_at: datetime
    enabled: bool
    candidate: bool
    """Written by a `create`: others may have been at the same time, and the first of them counts."""
    value: str | None = None


class Patient(AsyncRetryPolicy[Any, Any]):
    """The SDK's retries, without pauses that are longer than what waits for them."""

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        """Whether to try again: not where the service asks for a long pause."""
        asked: float | None = self.get_retry_after(response)
        return (asked or 0) <= LONGEST_WAIT and super().is_retry(settings, response)


class Vault:
    """A vault's secrets by the SDK. One client for the process, made on first use."""

    def __init__(self, url: str, *, identity: Callable[[], AsyncTokenCredential], **options: Any) -> None:
        """`options` are more of the SDK's own, for its client."""
        self._url = url
        self._identity = identity
        self._options = {"connection_timeout": 5, "read_timeout": 15, **options}
        self._options.setdefault("retry_policy", Patient(retry_total=3, retry_backoff_max=LONGEST_WAIT))
        self._opened: SecretClient | None = None
        self._credential: AsyncTokenCredential | None = None

    async def fetch(self, name: str, version: str = "") -> Version | None:
        """A version with its value, by default the latest. None where there is none.

        One that is disabled comes without its value.
        """
        try:
            async with self._call():
                return _version(await self._client().get_secret(name, version))
        except ResourceNotFoundError:
            return None
        except _Disabled:
            return Version(id=version, created_at=datetime.min.replace(tzinfo=UTC), enabled=False, candidate=False)

    async def enabled(self, name: str) -> list[Version]:
        """The enabled versions, without their values."""
        try:
            async with self._call():
                listed = self._client().list_properties_of_secret_versions(name)
                found = [_listed(each) async for each in listed]
        except ResourceNotFoundError:
            return []
        return [version for version in found if version.enabled]

    async def write(self, name: str, value: str, *, candidate: bool = False) -> str:
        """Make a new version the latest; return its id. Raises Deleted, and TooLarge."""
        text, tags = _encoded(value), {_MADE_BY: _CREATE} if candidate else None
        try:
            async with self._call():
                written = await self._client().set_secret(name, text, tags=tags)
        except ResourceExistsError as error:
            if _inner(error) == "ObjectIsDeletedButRecoverable":
                raise Deleted(f"the secret {name!r} is deleted") from None
            raise Transient(f"Key Vault: the secret {name!r} is being deleted or recovered") from None
        return written.properties.version or ""

    async def disable(self, name: str, version: str) -> None:
        """Make a version unreadable."""
        try:
            async with self._call():
                await self._client().update_secret_properties(name, version, enabled=False)
        except ResourceNotFoundError:
            return

    async def recover(self, name: str) -> None:
        """Bring a deleted secret back with all of its versions, and wait until it is there."""
        try:
            async with self._call():
                await self._client().recover_deleted_secret(name)
        except ResourceNotFoundError:
            return  # somebody else did, or it was purged: then the name is free
        except ResourceExistsError:
            raise Transient(f"Key Vault: the secret {name!r} is being deleted or recovered") from None

    async def close(self) -> None:
        """Let go of the connections."""
        if self._opened:
            await self._opened.close()
        if self._credential:
            await self._credential.close()

    def _client(self) -> SecretClient:
        if self._opened is None:
            self._credential = self._identity()
            self._opened = SecretClient(self._url, self._credential, **self._options)
        return self._opened

    @asynccontextmanager
    async def _call(self) -> AsyncIterator[None]:
        async with calling(SERVICE, seconds=CALL_SECONDS):
            try:
                yield
            except HttpResponseError as error:
                if error.status_code == 403 and _inner(error) == "SecretDisabled":
                    raise _Disabled from None
                raise
            except ValueError as error:  # the SDK finds that who asks for the token is no vault
                raise Misconfigured(f"PRAXOS_KEY_VAULT_URL: {self._url} does not answer as a vault: {error}") from None


class _Disabled(Exception):
    """The version that was asked for is disabled."""


def _inner(error: HttpResponseError) -> str:
    """The code inside the error, which says what a 403 or a 409 is about."""
    inner = error.error.innererror if error.error else None
    return str((inner or {}).get("code", ""))


def _listed(properties: SecretProperties) -> Version:
    tags = properties.tags or {}
    return Version(
        id=properties.version or "",
        created_at=properties.created_on or datetime.min.replace(tzinfo=UTC),
        enabled=properties.enabled is not False,
        candidate=tags.get(_MADE_BY) == _CREATE,
    )


def _version(secret: KeyVaultSecret) -> Version:
    known = _listed(secret.properties)
    return Version(known.id, known.created_at, known.enabled, known.candidate, _decoded(secret.value or ""))


def _encoded(value: str) -> str:
    """A value as Key Vault takes it: plain where it can be, because operators read and write some of them."""
    plain = value and value.isprintable() and not value.startswith(_BASE64)
    text = value if plain else _BASE64 + base64.b64encode(value.encode()).decode()
    if len(text.encode()) > VALUE_BYTES:
        raise TooLarge(f"a secret has at most {VALUE_BYTES} bytes, base64-encoded where it is not printable")
    return text


def _decoded(text: str) -> str:
    if not text.startswith(_BASE64):
        return text
    try:
        return base64.b64decode(text.removeprefix(_BASE64), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return text  # somebody else's value, which only looks like one of ours

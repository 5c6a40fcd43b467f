"""The Cosmos DB account: one client for the process, its containers, and its errors as ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from pydantic import Field, SecretStr

from shared import azure_identity
from shared.messages import StoreUnavailable, TooLarge
from shared.ports import Parts
from shared.settings import EnvironmentSettings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.cosmos.aio import ContainerProxy, CosmosClient

SERVICE = "cosmos"
CONNECT_SECONDS = 5
READ_SECONDS = 10
"""How long one answer may take. The library asks again for a read, and for a write that cannot have arrived."""
CALL_SECONDS = 25.0
"""How long a call may take with all that the library tries again."""
THROTTLED_TRIES = 4
THROTTLED_SECONDS = 10
"""A 429 is tried again after the time that the service names, so often and so long in all; for a query, twice over."""


class CosmosSettings(EnvironmentSettings):
    """Where the account is. In Azure the app's identity is asked for, and there is no key."""

    endpoint: str = Field(
        alias="PRAXOS_COSMOS_ENDPOINT", min_length=1, description="The account, as https://NAME.documents.azure.com."
    )
    key: SecretStr = Field(
        SecretStr(""), alias="PRAXOS_COSMOS_KEY", description="For emulators only: elsewhere the app's own identity."
    )
    database: str = Field("praxos", alias="PRAXOS_COSMOS_DATABASE", description="The database; it exists already.")
    documents: str = Field(
        "documents", alias="PRAXOS_COSMOS_DOCUMENTS", description="The container of the truth, keyed by two levels."
    )
    checkpoints: str = Field(
        "checkpoints", alias="PRAXOS_COSMOS_CHECKPOINTS", description="The container of runs' checkpoints."
    )
    lag: float = Field(
        1.0,
        alias="PRAXOS_COSMOS_LAG_SECONDS",
        ge=0,
        description="How late others' writes may be seen, as the account's consistency has it; 0: never late.",
    )
    memory: str = Field("memory", alias="PRAXOS_COSMOS_MEMORY", description="The container of long-term memory.")


class CosmosAccount:
    """One client, opened on first use. It never makes a database or a container: no data-plane role may.

    Several plug-ins share it; it is closed when the last of them has let go.
    """

    def __init__(self, *, settings: CosmosSettings, environ: Mapping[str, str]) -> None:
        self.settings = settings
        self._environ = environ
        self._opening = asyncio.Lock()
        self._client: CosmosClient | None = None
        self._credential: AsyncTokenCredential | None = None
        self._users = 0

    def join(self) -> CosmosAccount:
        """Count one more plug-in that uses it."""
        self._users += 1
        return self

    async def client(self) -> CosmosClient:
        """The open client. Raises StoreUnavailable."""
        if self._client is None:
            async with self._opening:
                if self._client is None:
                    self._client = await self._open()
        return self._client

    async def container(self, name: str) -> ContainerProxy:
        """A container of the database, which nobody has looked at yet. Raises StoreUnavailable."""
        client = await self.client()
        return client.get_database_client(self.settings.database).get_container_client(name)

    async def close(self) -> None:
        """Let go; the last one closes the connections."""
        self._users -= 1
        if self._users > 0:
            return
        client, self._client = self._client, None
        if client:
            await client.close()
        credential, self._credential = self._credential, None
        if credential:
            await credential.close()

    async def _open(self) -> CosmosClient:
        # Its library takes a fifth of a second to import.
        await asyncio.to_thread(__import__, "azure.cosmos.aio")
        from azure.cosmos.aio import CosmosClient

        key = self.settings.key.get_secret_value()
        if not key and self._credential is None:
            self._credential = azure_identity.credential(self._environ)
        client = CosmosClient(
            self.settings.endpoint,
            key or self._credential or "",
            connection_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retry_throttle_total=THROTTLED_TRIES,
            retry_throttle_backoff_max=THROTTLED_SECONDS,
            no_response_on_write=True,
            enable_compact_utf8_item_writes=True,
            user_agent_suffix="praxos",
        )
        try:
            async with answering("the account"):
                return await client.__aenter__()
        except BaseException:
            with suppress(Exception):
                await client.close()
            raise


def account_of(parts: Parts) -> CosmosAccount:
    """The process's account, which store, checkpoints and memory share. Raises SettingError."""
    account: CosmosAccount | None = parts.clients.get(SERVICE)
    if account is None:
        settings = CosmosSettings.from_environ(parts.environ)
        account = parts.clients[SERVICE] = CosmosAccount(settings=settings, environ=parts.environ)
    return account.join()


@asynccontextmanager
async def answering(what: str) -> AsyncIterator[None]:
    """Bound a call's time, and turn what the service or the way to it did into StoreUnavailable or TooLarge."""
    from azure.core.exceptions import AzureError, DecodeError, HttpResponseError

    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except DecodeError as error:
        # The connection ended in the middle of the answer.
        raise StoreUnavailable(f"Cosmos DB answered half for {what}: {_brief(error)}") from error
    except HttpResponseError as error:
        raise translated(error, what) from error
    except (AzureError, OSError, TimeoutError) as error:
        raise StoreUnavailable(f"Cosmos DB did not answer for {what}: {_brief(error)}") from error


def translated(error: Any, what: str) -> Exception:
    """What a status of the service means to us; the error itself where it is a bug of ours."""
    status = int(error.status_code or 0)
    if status == 413:
        return TooLarge(f"{what} is larger than Cosmos DB takes")
    if status in (401, 403):
        role = "give this app's identity the role Cosmos DB Built-in Data Contributor, and let its network in"
        return StoreUnavailable(f"Cosmos DB refused {what} ({status}): {role}")
    if status == 404:
        return StoreUnavailable(f"Cosmos DB knows no database or container for {what}: deploy it, or set its name")
    if status in (408, 410, 429, 449) or status >= 500:
        return StoreUnavailable(f"Cosmos DB did not do {what}: it answered {status}")
    return error if isinstance(error, Exception) else RuntimeError(str(error))


def _brief(error: BaseException) -> str:
    """One line: the library's own messages may hold whole answers."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]

"""The files on Blob Storage as tests open them: a container of their own in Azurite."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from azure.core.credentials_async import AsyncTokenCredential
from azure.storage.blob.aio import BlobServiceClient, ExponentialRetry

from shared.files.azure_blob import AzureBlobFiles
from shared.files.azure_blob_settings import AzureBlobSettings
from tests.fakes.azurite import Azurite
from tests.fakes.clock import ManualClock

AT_ONCE = ExponentialRetry(initial_backoff=0, increment_base=0, retry_total=2, random_jitter_range=0)
"""Tries again without waiting, so that a test of trouble takes no time."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container that is there."""

    connection_string: str
    name: str

    def service(self, **options: Any) -> BlobServiceClient:
        """Its account, for what only a test looks at."""
        return BlobServiceClient.from_connection_string(self.connection_string, **options)


async def new_container(azurite: Azurite, **options: Any) -> Container:
    container = Container(azurite.connection_string, f"files-{uuid.uuid4().hex}")
    async with container.service(**options) as service:
        await service.create_container(container.name)
    return container


def nobody() -> AsyncTokenCredential:
    raise AssertionError("a connection string needs no identity")


def azure_blob(container: Container, clock: ManualClock, *, limit: int) -> AzureBlobFiles:
    settings = AzureBlobSettings.from_environ(
        {"PRAXOS_BLOB_CONNECTION_STRING": container.connection_string, "PRAXOS_BLOB_CONTAINER": container.name}
    )
    return AzureBlobFiles(settings, identity=nobody, limit=limit, clock=clock, retry_policy=AT_ONCE)

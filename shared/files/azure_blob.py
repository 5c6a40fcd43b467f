"""Files in a container of Azure Blob Storage.

A file is one block blob, which appears at once with all of its content and its metadata. Its name begins with how many
days it is kept for, because that is all that the service's lifecycle rules can go by; readers go by the exact time in
its metadata. See docs/azure-files-and-secrets.md for the rules.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobProperties, StorageErrorCode
from azure.storage.blob.aio import BlobClient, ContainerClient, ExponentialRetry

from shared.azure_errors import Misconfigured, Service, calling
from shared.azure_identity import credential
from shared.files.azure_blob_settings import AzureBlobSettings
from shared.messages import TooLarge, Transient
from shared.ports import Clock, Parts, StoredFile

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

KEEP_DAYS = (1, 7, 30, 90, 400)
"""Each has a prefix and a lifecycle rule of its own; a file goes under the shortest that is long enough."""
METADATA_BYTES = 8_000
"""Blob Storage takes 8 KB of metadata, names and values, in ASCII: learn.microsoft.com/rest/api/storageservices/
setting-and-retrieving-properties-and-metadata-for-blob-resources."""
CALL_SECONDS = 60.0
"""For one call with its retries."""
BLOCK_BYTES = 4 * 1024 * 1024
"""What a stream is sent in, and what of it is in memory at a time."""

SERVICE = Service("Azure Blob Storage", role="Storage Blob Data Contributor")

_ID = re.compile(r"[0-9a-f]{32}-([0-9]{1,3})")
_OPTIONS: dict[str, Any] = {
    "connection_timeout": 5,
    "read_timeout": 20,
    # Three more tries within nine seconds; by itself the SDK would wait for a minute and a half.
    "retry_policy": ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=3, random_jitter_range=1),
}


def build(parts: Parts) -> AzureBlobFiles:
    """The files in the container that the settings name. Raises SettingError. Connects on first use."""
    settings = AzureBlobSettings.from_environ(parts.environ)
    settings.check()
    return AzureBlobFiles(
        settings,
        identity=partial(credential, parts.environ),
        limit=parts.settings.max_file_bytes,
        clock=parts.clock,
    )


class AzureBlobFiles:
    """The Files port on Blob Storage. One client for the process."""

    def __init__(
        self,
        settings: AzureBlobSettings,
        *,
        identity: Callable[[], AsyncTokenCredential],
        limit: int,
        clock: Clock,
        **options: Any,
    ) -> None:
        """`options` are more of the SDK's own, for its client."""
        self._settings = settings
        self._identity = identity
        self._limit = limit
        self._clock = clock
        self._options = _OPTIONS | options
        self._opened: ContainerClient | None = None
        self._credential: AsyncTokenCredential | None = None

    async def put(
        self, *, owner: str, name: str, media_type: str, content: bytes | AsyncIterator[bytes], keep: timedelta
    ) -> StoredFile:
        """Store a file until `keep` is over. Raises TooLarge past the limit, and Transient where it cannot be had now.

        A put that failed may have left a file whose id nobody knows; its lifecycle rule removes it.
        """
        days = _days(keep)
        file_id = f"{secrets.token_hex(16)}-{days}"
        metadata = _metadata(owner=owner, name=name, media_type=media_type, expires_at=self._clock.now() + keep)
        blob = self._container().get_blob_client(_path(file_id, days))
        if isinstance(content, bytes):
            self._check(len(content))
            await self._upload(blob, content, metadata)
            size = len(content)
        else:
            size = await self._receive(blob, content, metadata)
        return StoredFile(id=file_id, name=name, media_type=media_type, size=size, owner=owner)

    async def describe(self, *, id: str) -> StoredFile | None:
        """What is known of a file; None when it is gone."""
        blob = self._blob(id)
        if blob is None:
            return None
        try:
            async with self._call():
                return self._stored(id, await blob.get_blob_properties())
        except ResourceNotFoundError:
            return None

    async def get(self, *, id: str) -> bytes | None:
        """The content; None when it is gone."""
        blob = self._blob(id)
        if blob is None:
            return None
        try:
            async with self._call():
                download = await blob.download_blob()
                return await download.readall() if self._stored(id, download.properties) else None
        except ResourceNotFoundError:
            return None

    async def close(self) -> None:
        """Let go of the connections."""
        if self._opened:
            await self._opened.close()
        if self._credential:
            await self._credential.close()

    async def _receive(self, blob: BlobClient, content: AsyncIterator[bytes], metadata: dict[str, str]) -> int:
        """Send a stream as it comes; return its size. The blob appears with the last call, or not at all."""
        size, buffer = 0, bytearray()
        staged: list[BlobBlock] = []
        try:
            async for chunk in content:
                size += len(chunk)
                self._check(size)
                buffer += chunk
                while len(buffer) > BLOCK_BYTES:
                    await self._stage(blob, staged, bytes(buffer[:BLOCK_BYTES]))
                    del buffer[:BLOCK_BYTES]
            if not staged:
                await self._upload(blob, bytes(buffer), metadata)
                return size
            await self._stage(blob, staged, bytes(buffer))
            async with self._call():
                await blob.commit_block_list(staged, metadata=metadata)
        except Transient:
            raise
        except Exception:
            if staged:
                await self._discard(blob)
            raise
        finally:
            if isinstance(content, AsyncGenerator):
                await content.aclose()  # lets go of what it reads from, also when it was not read to its end
        return size

    async def _upload(self, blob: BlobClient, content: bytes, metadata: dict[str, str]) -> None:
        async with self._call():
            # Nobody else knows the id, so that a second try after a lost answer may overwrite the first.
            await blob.upload_blob(content, overwrite=True, metadata=metadata)

    async def _stage(self, blob: BlobClient, staged: list[BlobBlock], content: bytes) -> None:
        block = BlobBlock(f"{len(staged):06d}")
        async with self._call():
            await blob.stage_block(block.id, content, length=len(content))
        staged.append(block)

    async def _discard(self, blob: BlobClient) -> None:
        """Drop blocks that belong to no blob. Where that fails the service does it after a week."""
        with suppress(Transient):
            async with self._call():
                await blob.upload_blob(b"", overwrite=True)
                await blob.delete_blob()

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise TooLarge(f"a file has at most {self._limit} bytes (PRAXOS_MAX_FILE_BYTES)")

    @asynccontextmanager
    async def _call(self) -> AsyncIterator[None]:
        async with calling(SERVICE, seconds=CALL_SECONDS):
            try:
                yield
            except ResourceNotFoundError as error:
                if getattr(error, "error_code", None) != StorageErrorCode.CONTAINER_NOT_FOUND:
                    raise
                raise Misconfigured(
                    f"PRAXOS_BLOB_CONTAINER: there is no container {self._settings.container!r} in this account; "
                    "make it as infra/ does"
                ) from None

    def _container(self) -> ContainerClient:
        if self._opened is None:
            settings, emulator = self._settings, self._settings.connection_string.get_secret_value()
            if emulator:
                self._opened = ContainerClient.from_connection_string(emulator, settings.container, **self._options)
            else:
                self._credential = self._identity()
                self._opened = ContainerClient(
                    settings.account_url, settings.container, credential=self._credential, **self._options
                )
        return self._opened

    def _blob(self, id: str) -> BlobClient | None:
        found = _ID.fullmatch(id)
        if not found or int(found[1]) not in KEEP_DAYS:
            return None
        return self._container().get_blob_client(_path(id, int(found[1])))

    def _stored(self, id: str, found: BlobProperties) -> StoredFile | None:
        """What a blob's metadata say; None when its time is over, or when they are not ours."""
        kept = {name.lower(): unquote(value) for name, value in (found.metadata or {}).items()}
        try:
            expires_at = datetime.fromisoformat(kept["expires_at"])
        except (KeyError, ValueError):
            return None
        if expires_at <= self._clock.now():
            return None
        return StoredFile(
            id=id,
            name=kept.get("name", ""),
            media_type=kept.get("media_type", ""),
            size=found.size,
            owner=kept.get("owner", ""),
        )


def _days(keep: timedelta) -> int:
    for days in KEEP_DAYS:
        if keep <= timedelta(days=days):
            return days
    raise ValueError(f"a file is kept for at most {KEEP_DAYS[-1]} days, not {keep.days}")


def _path(id: str, days: int) -> str:
    return f"keep-{days}/{id}"


def _metadata(*, expires_at: datetime, **fields: str) -> dict[str, str]:
    """Metadata are HTTP headers: anything but plain ASCII is percent-encoded, and what is empty is left out."""
    found = {name: quote(value, safe="") for name, value in fields.items() if value}
    found["expires_at"] = expires_at.isoformat()
    if sum(len(name) + len(value) for name, value in found.items()) > METADATA_BYTES:
        raise TooLarge(f"a file's name, type and owner have at most {METADATA_BYTES} bytes in all, percent-encoded")
    return found

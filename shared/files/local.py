"""Files in the data folder, readable by their owner only.

A file is two: its content, whose modification time is when it expires, and its description, which appears last and at
once, so that a file is there with all of its content or not at all.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import ParamSpec

from pydantic import BaseModel, ValidationError

from shared.messages import SettingError, TooLarge, Transient
from shared.ports import Clock, Parts, StoredFile
from shared.settings import Sync

SWEEP_EVERY_SECONDS = 3600.0
ABANDONED = timedelta(days=1)
"""After this, a file whose writing never ended is removed."""

_ID = re.compile(r"[0-9a-f]{32}")
_BUFFER_BYTES = 256 * 1024

P = ParamSpec("P")


class Description(BaseModel):
    """What stands beside a content."""

    name: str
    media_type: str
    size: int
    owner: str
    expires_at: datetime


def build(parts: Parts) -> LocalFiles:
    """The files in the data folder."""
    settings = parts.settings
    return LocalFiles(
        settings.home / "files", limit=settings.max_file_bytes, clock=parts.clock, durable=settings.sync is Sync.FULL
    )


class LocalFiles:
    """The Files port on a folder. What has expired is invisible at once and removed in passing."""

    def __init__(self, folder: Path, *, limit: int, clock: Clock, durable: bool = False) -> None:
        """Raises SettingError where the folder cannot be made. `durable`: what is put survives a power loss."""
        self._folder = folder
        self._limit = limit
        self._clock = clock
        self._durable = durable
        self._swept_at = -SWEEP_EVERY_SECONDS
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise SettingError(f"PRAXOS_HOME: {folder} cannot be made: {error.strerror}") from None

    async def put(
        self, *, owner: str, name: str, media_type: str, content: bytes | AsyncIterator[bytes], keep: timedelta
    ) -> StoredFile:
        """Store a file until `keep` is over. Raises TooLarge past the limit, and Transient where the disk fails."""
        file_id = secrets.token_hex(16)
        partial = self._folder / f"{file_id}.part"
        try:
            size = await self._receive(partial, content)
            description = Description(
                name=name, media_type=media_type, size=size, owner=owner, expires_at=self._clock.now() + keep
            )
            await self._on_disk(self._finish, file_id, partial, description)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        await self._sweep_if_due()
        return _stored(file_id, description)

    async def describe(self, *, id: str) -> StoredFile | None:
        """What is known of a file; None when it is gone."""
        description = await asyncio.to_thread(self._describe, id)
        return _stored(id, description) if description else None

    async def get(self, *, id: str) -> bytes | None:
        """The content; None when it is gone."""
        return await asyncio.to_thread(self._get, id)

    async def close(self) -> None:
        """Nothing is held open."""

    async def _receive(self, partial: Path, content: bytes | AsyncIterator[bytes]) -> int:
        """Write the content as it comes; return its size."""
        if isinstance(content, bytes):
            self._check(len(content))
            await self._on_disk(self._append, partial, content)
            return len(content)
        size, buffer = 0, bytearray()
        try:
            async for chunk in content:
                size += len(chunk)
                self._check(size)
                buffer += chunk
                if len(buffer) >= _BUFFER_BYTES:
                    await self._on_disk(self._append, partial, bytes(buffer))
                    buffer.clear()
        finally:
            if isinstance(content, AsyncGenerator):
                await content.aclose()  # lets go of what it reads from, also when it was not read to its end
        await self._on_disk(self._append, partial, bytes(buffer))
        return size

    async def _on_disk(self, write: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            await asyncio.to_thread(write, *args, **kwargs)
        except OSError as error:
            raise Transient(f"a file could not be written to {self._folder}: {error.strerror}") from error

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise TooLarge(f"a file has at most {self._limit} bytes (PRAXOS_MAX_FILE_BYTES)")

    def _append(self, path: Path, content: bytes) -> None:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
            file.write(content)
            if self._durable:
                file.flush()
                os.fsync(file.fileno())

    def _finish(self, file_id: str, partial: Path, description: Description) -> None:
        expires = description.expires_at.timestamp()
        os.utime(partial, (expires, expires))
        partial.replace(self._folder / file_id)
        self._append(partial, description.model_dump_json().encode())
        partial.replace(self._folder / f"{file_id}.json")
        if self._durable and os.name == "posix":
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _describe(self, id: str) -> Description | None:
        if not _ID.fullmatch(id):
            return None
        try:
            description = Description.model_validate_json((self._folder / f"{id}.json").read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return description if description.expires_at > self._clock.now() else None

    def _get(self, id: str) -> bytes | None:
        if self._describe(id) is None:
            return None
        try:
            return (self._folder / id).read_bytes()
        except FileNotFoundError:
            return None

    async def _sweep_if_due(self) -> None:
        now = self._clock.monotonic()
        if now - self._swept_at >= SWEEP_EVERY_SECONDS:
            self._swept_at = now
            await asyncio.to_thread(self._sweep)

    def _sweep(self) -> None:
        """Remove what has expired. It looks at names and times only, never into a file."""
        now = self._clock.now().timestamp()
        for path in self._folder.iterdir():
            try:
                changed = path.stat().st_mtime
            except FileNotFoundError:  # a part became a file meanwhile, or somebody else sweeps too
                continue
            expired = _ID.fullmatch(path.name) and changed <= now
            abandoned = path.suffix == ".part" and changed <= now - ABANDONED.total_seconds()
            if expired or abandoned:
                path.with_name(f"{path.name}.json").unlink(missing_ok=True)
                path.unlink(missing_ok=True)


def _stored(file_id: str, description: Description) -> StoredFile:
    return StoredFile(
        id=file_id,
        name=description.name,
        media_type=description.media_type,
        size=description.size,
        owner=description.owner,
    )

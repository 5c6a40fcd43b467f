"""Secrets in one file that only its owner can read. For one machine; in Azure they are in Key Vault."""

from __future__ import annotations

import asyncio
import os
import secrets
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, SecretStr, ValidationError, field_serializer

from shared.messages import SettingError, Transient
from shared.ports import Parts
from shared.secrets import names

if sys.platform != "win32":
    import fcntl

VERSION = 1
LOCK_SECONDS = 10.0
"""How long a write waits for another process to end its own, which takes milliseconds."""
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

T = TypeVar("T")


class _Secret(BaseModel):
    value: SecretStr
    disabled: bool = False

    @field_serializer("value", when_used="json")
    def _plain(self, value: SecretStr) -> str:
        return value.get_secret_value()


class _Content(BaseModel):
    version: int = VERSION
    secrets: dict[str, _Secret] = {}


def build(parts: Parts) -> FileSecrets:
    """The secrets in the data folder."""
    return FileSecrets(parts.settings.home / "secrets.json")


class FileSecrets:
    """The SecretStore port on a file. Processes take turns; a write replaces the file as a whole."""

    def __init__(self, path: Path) -> None:
        """The file is made by the first write."""
        self._path = path
        self._turn = threading.Lock()

    async def get(self, *, name: str, version: str = "") -> str | None:
        """The secret's value; None when there is none, or when it is disabled. Nothing is cached."""
        names.check(name)
        return _value((await asyncio.to_thread(self._read)).secrets.get(name))

    async def create(self, *, name: str, value: str) -> str:
        """Keep the value if there is none yet; return the one that is there now."""

        def change(content: _Content) -> tuple[str, bool]:
            known = _value(content.secrets.get(name))
            if known is not None:
                return known, False
            content.secrets[name] = _Secret(value=SecretStr(value))
            return value, True

        return await self._change(name, change)

    async def put(self, *, name: str, value: str) -> None:
        """Overwrite; a disabled one is readable again."""

        def change(content: _Content) -> tuple[None, bool]:
            content.secrets[name] = _Secret(value=SecretStr(value))
            return None, True

        await self._change(name, change)

    async def disable(self, *, name: str) -> None:
        """Make it unreadable, and forget the value."""

        def change(content: _Content) -> tuple[None, bool]:
            if name in content.secrets:
                content.secrets[name] = _Secret(value=SecretStr(""), disabled=True)
            return None, name in content.secrets

        await self._change(name, change)

    async def close(self) -> None:
        """Nothing is held open."""

    async def _change(self, name: str, change: Callable[[_Content], tuple[T, bool]]) -> T:
        names.check(name)
        return await asyncio.to_thread(self._rewrite, change)

    def _rewrite(self, change: Callable[[_Content], tuple[T, bool]]) -> T:
        with self._exclusive():
            content = self._read()
            result, changed = change(content)
            if changed:
                self._write(content)
            return result

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """One writer at a time: among threads, and among processes where the system has such locks."""
        with self._turn:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
            except OSError as error:
                raise self._unusable(error) from None
            try:
                self._lock(lock)
                yield
            finally:
                os.close(lock)

    def _lock(self, lock: int) -> None:
        deadline = time.monotonic() + LOCK_SECONDS
        while not _locked(lock):
            if time.monotonic() >= deadline:
                raise Transient(f"{self._path} is held by another process")
            time.sleep(0.01)

    def _read(self) -> _Content:
        try:
            with self._path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                raw = file.read()
        except FileNotFoundError:
            return _Content()
        except OSError as error:
            raise self._unusable(error) from None
        if os.name == "posix" and mode & _OTHERS:
            raise SettingError(
                f"PRAXOS_HOME: {self._path} can be read by others; what is in it may be known to them. "
                f"Renew those secrets, or if nobody saw it: chmod 600 {self._path}"
            )
        try:
            content = _Content.model_validate_json(raw)
        except ValidationError:
            raise SettingError(f"PRAXOS_HOME: {self._path} is damaged; restore it from a backup or remove it") from None
        if content.version > VERSION:
            raise SettingError(f"PRAXOS_HOME: {self._path} was written by a newer Praxos; use that, or another folder")
        return content

    def _write(self, content: _Content) -> None:
        partial = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}.part")
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content.model_dump_json(indent=1).encode())
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> SettingError:
        return SettingError(f"PRAXOS_HOME: {self._path} cannot be used: {error.strerror}")


def _locked(lock: int) -> bool:
    if sys.platform == "win32":
        return True  # there, one process uses a data folder
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _value(secret: _Secret | None) -> str | None:
    return secret.value.get_secret_value() if secret and not secret.disabled else None

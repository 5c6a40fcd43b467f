"""Azurite, Microsoft's own emulator of Azure Storage, from npm, on a free loopback port."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes import npm

VERSION = "3.35.0"
ACCOUNT = "praxos"
PATIENCE = 60.0
"""Seconds until it listens; on a busy machine node takes a while."""


@dataclass(frozen=True, slots=True)
class Azurite:
    """A running one. Its key is of this process only."""

    url: str
    """Where the account is."""
    key: str = field(repr=False)

    @property
    def connection_string(self) -> str:
        scheme = self.url.partition(":")[0]
        return f"DefaultEndpointsProtocol={scheme};AccountName={ACCOUNT};AccountKey={self.key};BlobEndpoint={self.url};"


def script() -> Path:
    """Azurite's start script. Skips the test where it cannot be had."""
    return npm.script("azurite", VERSION, "dist/src/blob/main.js")


@contextmanager
def serving(*options: str) -> Iterator[Azurite]:
    """A running Azurite that keeps everything in memory."""
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    command = ["node", str(script()), "--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry", "--silent"]
    process = subprocess.Popen(
        [*command, "--skipApiVersionCheck", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"},
    )
    try:
        yield Azurite(url=f"{_address(process)}/{ACCOUNT}", key=key)
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout:
            process.stdout.close()


def _address(process: subprocess.Popen[str]) -> str:
    lines: list[str] = []
    assert process.stdout is not None
    too_long = threading.Timer(PATIENCE, process.kill)
    too_long.start()
    for line in process.stdout:
        lines.append(line)
        if found := re.search(r"successfully listens on (https?://\S+)", line):
            too_long.cancel()
            return found[1]
    raise AssertionError(f"Azurite did not start: {''.join(lines)}")


def token(*, audience: str = "https://storage.azure.com", claims: Sequence[tuple[str, object]] = ()) -> str:
    """A bearer token as Entra ID gives them out. Azurite reads its claims and checks no signature."""
    now = int(time.time())
    payload = {
        "aud": audience,
        "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/",
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + 3600,
        **dict(claims),
    }
    parts = ({"alg": "RS256", "typ": "JWT"}, payload)
    head = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return f"{head}.c2lnbmF0dXJl"

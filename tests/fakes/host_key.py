"""The key of the embedded host, read from its data folder as its operator can."""

from __future__ import annotations

import secrets
from pathlib import Path

from shared import ids
from shared.secrets.file import FileSecrets


async def host_key(home: Path) -> str:
    """The key that functions without anonymous access want; made here where nobody has asked for it yet."""
    name = ids.secret("host", "functions-key")
    return await FileSecrets(home / "secrets.json").create(name=name, value=secrets.token_urlsafe(32))

"""What a secret may be called: what Key Vault takes, wherever it is kept."""

from __future__ import annotations

import re

from shared import ids

_NAME = re.compile(rf"[0-9A-Za-z-]{{1,{ids.SECRET_LENGTH}}}")


def check(name: str) -> None:
    """Raises ValueError for a name that Key Vault would refuse."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a secret: use shared.ids.secret")

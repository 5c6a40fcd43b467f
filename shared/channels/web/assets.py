"""The page's own files, as a fixed list: nothing else of this folder can be asked for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

_FOLDER = Path(__file__).parent / "page"
_SCRIPT = "text/javascript"
_STYLE = "text/css"

ASSETS = MappingProxyType(
    {
        "chat.css": _STYLE,
        "composer.css": _STYLE,
        "content.css": _STYLE,
        "files.css": _STYLE,
        "message.css": _STYLE,
        "theme.css": _STYLE,
        "chat.js": _SCRIPT,
        "composer.js": _SCRIPT,
        "content.js": _SCRIPT,
        "dom.js": _SCRIPT,
        "feed.js": _SCRIPT,
        "files.js": _SCRIPT,
        "log.js": _SCRIPT,
        "message.js": _SCRIPT,
        "outbox.js": _SCRIPT,
        "server.js": _SCRIPT,
        "icon.svg": "image/svg+xml",
    }
)
PAGE = "index.html"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page, and the tag by which a browser knows that it still has the right one."""

    content: bytes
    media_type: str
    etag: str


@cache
def asset(name: str) -> Asset | None:
    """A file of the list; None for any other name. Read once per process."""
    media_type = ASSETS.get(name)
    if media_type is None:
        return None
    content = (_FOLDER / name).read_bytes()
    return Asset(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:24]}"')


@cache
def page(max_file_bytes: int) -> bytes:
    """The page itself, with the limits that its script needs to know."""
    source = (_FOLDER / PAGE).read_text(encoding="utf-8")
    return source.replace("{max_file_bytes}", str(max_file_bytes)).encode()

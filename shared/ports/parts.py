"""What a plug-in may be built from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import aiohttp

    from shared.ports.clock import Clock
    from shared.ports.files import Files
    from shared.ports.secrets import SecretStore
    from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """What a plug-in may be built from. Every `build(parts)` in the registry takes exactly this."""

    settings: Settings
    environ: Mapping[str, str]
    clock: Clock
    http: Callable[[], aiohttp.ClientSession]
    """One client session for the whole process, made on first use."""
    files: Callable[[], Files]
    secrets: Callable[[], SecretStore]
    clients: dict[str, Any] = field(default_factory=dict)
    """Clients that several plug-ins share, by the name of their service."""

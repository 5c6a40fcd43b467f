"""Where the engine's file is opened, so that a test can put something around it, as it does with the composition root."""

from __future__ import annotations

from collections.abc import Callable

from local.durable.storage import FILE, DurableStorage
from shared.ports import Clock
from shared.settings import Settings

Open = Callable[[Settings, Clock], DurableStorage]


def real(settings: Settings, clock: Clock) -> DurableStorage:
    """The file in the data folder. Raises SettingError where it cannot be used."""
    return DurableStorage(path=settings.home / FILE, sync=settings.sync, clock=clock)


_open: Open = real


def use(opener: Open) -> None:
    """Open with this from now on; `real` undoes it."""
    global _open
    _open = opener


def open_storage(settings: Settings, clock: Clock) -> DurableStorage:
    """Open the engine's file."""
    return _open(settings, clock)

"""One line per plug-in: a name and the string of its `build(parts)`. Nothing unused is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from shared.messages import SettingError

REGISTRY: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "channels": {
            "web": "shared.channels.web.adapter:build",
            "telegram": "shared.channels.telegram.adapter:build",
        },
        "models": {
            "demo": "shared.models.demo:build",
            "openai": "shared.models.openai:build",
            "google_genai": "shared.models.gemini:build",
            "portkey": "shared.models.portkey:build",
        },
        "tools": {
            "time": "shared.tools.time:build",
            "calculate": "shared.tools.calculate:build",
            "schedule": "shared.tools.schedule:build",
            "memory": "shared.tools.memory:build",
            "files": "shared.tools.files:build",
            "web": "shared.tools.web:build",
            "webhook": "shared.tools.webhook:build",
            "pause": "shared.tools.pause:build",
            "ask": "shared.tools.ask:build",
        },
        "storage": {"sqlite": "shared.storage.sqlite:build", "cosmos": "shared.storage.cosmos:build"},
        "memory": {
            "sqlite": "shared.storage.memory_store:build",
            "cosmos": "shared.storage.cosmos_agent:build_memory",
        },
        "checkpoints": {
            "sqlite": "shared.storage.checkpoints:build",
            "cosmos": "shared.storage.cosmos_agent:build_checkpoints",
        },
        "queues": {
            "sqlite": "shared.queues.sqlite:build",
            "redis": "shared.queues.redis:build",
            "servicebus": "shared.queues.service_bus:build",
        },
        "files": {"local": "shared.files.local:build", "azure_blob": "shared.files.azure_blob:build"},
        "secrets": {"file": "shared.secrets.file:build", "key_vault": "shared.secrets.key_vault:build"},
        "exporters": {
            "local": "shared.exporters.local:build",
            "otlp": "shared.exporters.otlp:build",
            "azure_monitor": "shared.exporters.azure_monitor:build",
        },
    }
)

SCHEMES: Mapping[str, str] = MappingProxyType({"redis": "redis", "rediss": "redis", "unix": "redis"})
"""Where a setting may be an address, its scheme chooses the plug-in: PRAXOS_QUEUE=redis://HOST is the queues' "redis"."""


def chosen(setting: str) -> str:
    """The name of the plug-in that a setting chooses: the setting itself, or what its scheme stands for."""
    scheme, is_address, _ = setting.partition("://")
    return SCHEMES.get(scheme, scheme) if is_address else setting


def names(group: str) -> list[str]:
    """Every name of a group, our own first, then those of installed packages (entry points `praxos.GROUP`)."""
    from importlib.metadata import entry_points  # slow to import, and a webhook has no need of it

    own = list(REGISTRY[group])
    return own + [point.name for point in entry_points(group=f"praxos.{group}") if point.name not in own]


def known(group: str, name: str) -> bool:
    """Whether somebody has that name. Installed packages are only searched for a name that is not our own."""
    return name in REGISTRY[group] or name in names(group)


def build_function(group: str, name: str) -> Callable[..., Any]:
    """Import and return the `build` of a plug-in. Raises SettingError where nobody has that name."""
    target = REGISTRY[group].get(name)
    if target is None:
        from importlib.metadata import entry_points  # as above

        for point in entry_points(group=f"praxos.{group}", name=name):
            loaded: Callable[..., Any] = point.load()
            return loaded
        known = ", ".join(names(group))
        raise SettingError(f"{name!r} is not one of the {group} that are installed: {known}")
    module, _, attribute = target.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), attribute)
    return function

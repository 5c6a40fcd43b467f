"""The settings sample and the table of settings, from the settings models of Praxos and of every plug-in."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from shared.settings import EnvironmentSettings, Settings

SAMPLE = Path("local.settings.sample.json")
TABLE = Path("docs/settings.md")

_EMULATORS = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "ServiceBusConnection": (
        "Endpoint=sb://localhost;SharedAccessKeyName=RootManageSharedAccessKey;"
        "SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;"
    ),
}
"""What `func start` needs: the words by which Azurite and the Service Bus emulator are addressed. No secret."""

_SET_BY_AZURE = ("AZURE_FUNCTIONS_", "CONTAINER_", "FUNCTIONS_", "IDENTITY_", "WEBSITE_")
"""Variables that the platform sets: Praxos reads them, nobody writes them into a settings file."""


def models(root: Path) -> list[type[EnvironmentSettings]]:
    """Every settings model of the tree, the general one first, then by module."""
    for path in sorted(root.glob("shared/**/*.py")) + sorted(root.glob("local/**/*.py")):
        if "(EnvironmentSettings)" in path.read_text():
            importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))
    found = sorted(set(_subclasses(EnvironmentSettings)), key=lambda model: (model.__module__, model.__name__))
    own = [model for model in found if model.__module__.startswith(("shared.", "local."))]
    return [Settings, *(model for model in own if model is not Settings)]


def _subclasses(model: type[EnvironmentSettings]) -> Iterator[type[EnvironmentSettings]]:
    for each in model.__subclasses__():
        yield each
        yield from _subclasses(each)


def _variables(model: type[EnvironmentSettings]) -> Iterator[tuple[str, FieldInfo]]:
    for field in model.model_fields.values():
        if field.alias:
            yield field.alias, field


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True) if not field.is_required() else ""
    if isinstance(value, SecretStr):
        return ""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def sample(root: Path) -> str:
    """The text of local.settings.sample.json. Secrets are empty, and an empty value counts as absent."""
    values = {"FUNCTIONS_WORKER_RUNTIME": "python", **_EMULATORS}
    for model in models(root):
        variables = ((name, field) for name, field in _variables(model) if not name.startswith(_SET_BY_AZURE))
        values |= {name: _default(field) for name, field in variables if name not in _EMULATORS}
    return json.dumps({"IsEncrypted": False, "Values": values}, indent=2) + "\n"


def table(root: Path) -> str:
    """The text of docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Environment variables, or app settings in Azure. Written by `make generate`: do not edit.",
    ]
    for model in models(root):
        lines += ["", f"## {_title(model)}", "", "| variable | default | meaning |", "|---|---|---|"]
        for name, field in _variables(model):
            default = f"`{_default(field)}`" if _default(field) else "required" if field.is_required() else ""
            meaning = (field.description or "").replace("|", "\\|")
            lines.append(f"| `{name}` | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def _title(model: type[EnvironmentSettings]) -> str:
    if model is Settings:
        return "Praxos"
    parts = model.__module__.removesuffix("_settings").split(".")[1:3]
    return ": ".join(part.replace("_", " ").capitalize() for part in parts)

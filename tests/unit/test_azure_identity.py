"""Which identity an adapter gets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

from shared.azure_identity import credential

ROOT = Path(__file__).resolve().parents[2]
IN_AZURE = {"IDENTITY_ENDPOINT": "http://127.0.0.1:1/msi/token", "IDENTITY_HEADER": "of this test"}


def chosen(found: ManagedIdentityCredential) -> object:
    """The client id that it asks Azure for."""
    return found._credential._client._identity_config.get("client_id")  # type: ignore[union-attr]


async def test_in_azure_it_is_the_managed_identity_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in IN_AZURE.items():
        monkeypatch.setenv(name, value)
    async with credential(IN_AZURE) as system:
        assert isinstance(system, ManagedIdentityCredential)
        assert chosen(system) is None
    async with credential({**IN_AZURE, "AZURE_CLIENT_ID": "a-client"}) as named:
        assert isinstance(named, ManagedIdentityCredential)
        assert chosen(named) == "a-client"


async def test_elsewhere_it_is_whoever_signed_in() -> None:
    for environ in ({}, {"AZURE_CLIENT_ID": "a-client"}):
        async with credential(environ) as found:
            assert isinstance(found, DefaultAzureCredential)


def test_its_library_waits_for_its_first_use() -> None:
    script = "import sys, shared.azure_identity; print([name for name in sys.modules if name.startswith('azure')])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

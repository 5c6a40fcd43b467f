"""Who this process is towards Azure's services: a managed identity in Azure, the developer's own sign-in elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from shared.settings import EnvironmentSettings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


class IdentitySettings(EnvironmentSettings):
    """Which identity it is, where there are several."""

    client_id: str = Field(
        "",
        alias="AZURE_CLIENT_ID",
        description="The client id of the user-assigned managed identity; empty: the system-assigned one.",
    )
    endpoint: str = Field(
        "", alias="IDENTITY_ENDPOINT", description="Where App Service and Functions give out tokens; Azure sets it."
    )


def credential(environ: Mapping[str, str]) -> AsyncTokenCredential:
    """A credential for one adapter, which closes it together with its own client. Nothing is asked for yet.

    On App Service and Functions it is the managed identity and nothing else: DefaultAzureCredential would first try
    others, and hide why the right one failed. Anywhere else DefaultAzureCredential finds a pod's workload identity, a
    service principal's variables or `az login`. Importing its library takes a while: call it on first use.
    """
    settings = IdentitySettings.from_environ(environ)
    client_id = settings.client_id or None
    if settings.endpoint:
        from azure.identity.aio import ManagedIdentityCredential

        return ManagedIdentityCredential(client_id=client_id)
    from azure.identity.aio import DefaultAzureCredential

    if client_id is None:
        return DefaultAzureCredential()
    return DefaultAzureCredential(managed_identity_client_id=client_id)

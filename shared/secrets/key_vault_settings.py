"""Which Key Vault the secrets are in."""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from yarl import URL

from shared.messages import SettingError
from shared.settings import EnvironmentSettings


class KeyVaultSettings(EnvironmentSettings):
    """The vault, which exists already."""

    url: str = Field(
        "",
        alias="PRAXOS_KEY_VAULT_URL",
        description="For PRAXOS_SECRETS=key_vault: the vault, such as https://VAULT.vault.azure.net.",
    )

    @field_validator("url")
    @classmethod
    def _is_a_vault(cls, value: str) -> str:
        if value and (not value.startswith("https://") or not URL(value).host):
            raise PydanticCustomError("vault", "it has to be an address such as https://VAULT.vault.azure.net")
        return value.rstrip("/")

    def check(self) -> None:
        """Raises SettingError where nothing says which vault it is."""
        if not self.url:
            raise SettingError("PRAXOS_KEY_VAULT_URL is missing: PRAXOS_SECRETS=key_vault needs the vault")

"""Which container of Azure Blob Storage the files are in."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from yarl import URL

from shared.messages import SettingError
from shared.settings import EnvironmentSettings


class AzureBlobSettings(EnvironmentSettings):
    """The account and its container, which exists already: the app never makes one."""

    account_url: str = Field(
        "",
        alias="PRAXOS_BLOB_ACCOUNT_URL",
        description="For PRAXOS_FILES=azure_blob: the storage account, such as https://ACCOUNT.blob.core.windows.net.",
    )
    container: str = Field(
        "files",
        alias="PRAXOS_BLOB_CONTAINER",
        pattern="^[a-z0-9](-?[a-z0-9])+$",
        min_length=3,
        max_length=63,
        description="The container of the files; it has to exist.",
    )
    connection_string: SecretStr = Field(
        SecretStr(""),
        alias="PRAXOS_BLOB_CONNECTION_STRING",
        description="For Azurite only, instead of the account: how to reach the emulator. Azure is reached by identity.",
    )

    @field_validator("account_url")
    @classmethod
    def _is_an_account(cls, value: str) -> str:
        if value and (not value.startswith("https://") or not URL(value).host):
            raise PydanticCustomError(
                "account", "it has to be an address such as https://ACCOUNT.blob.core.windows.net"
            )
        return value.rstrip("/")

    @field_validator("connection_string")
    @classmethod
    def _is_an_emulator(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if text and "UseDevelopmentStorage=true" not in text and "BlobEndpoint=" not in text:
            raise PydanticCustomError("emulator", "no keys of a storage account: set PRAXOS_BLOB_ACCOUNT_URL instead")
        if ".core." in text:
            raise PydanticCustomError("emulator", "no keys of a storage account: set PRAXOS_BLOB_ACCOUNT_URL instead")
        return value

    def check(self) -> None:
        """Raises SettingError where nothing says which account it is."""
        if not self.account_url and not self.connection_string.get_secret_value():
            raise SettingError("PRAXOS_BLOB_ACCOUNT_URL is missing: PRAXOS_FILES=azure_blob needs the storage account")

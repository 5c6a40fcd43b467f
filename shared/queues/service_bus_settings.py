"""Which Service Bus namespace is sent to, and as whom: the same variables as the triggers' connection."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from shared.settings import EnvironmentSettings

MANAGED_IDENTITY = "managedidentity"
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")


class ServiceBusSettings(EnvironmentSettings):
    """The namespace and the identity; or, for emulators and tests, a connection string, which comes first as in the host."""

    connection: SecretStr = Field(
        SecretStr(""), alias="ServiceBusConnection", description="For the emulator and tests only: a connection string."
    )
    namespace: str = Field(
        "",
        alias="ServiceBusConnection__fullyQualifiedNamespace",
        description="The Service Bus namespace, such as NAME.servicebus.windows.net; used with an identity.",
    )
    credential: str = Field(
        "",
        alias="ServiceBusConnection__credential",
        pattern="(?i)^(managedidentity)?$",
        description="managedidentity, or empty for whatever identity there is (locally: the one of `az login`).",
    )
    client_id: str = Field(
        "", alias="ServiceBusConnection__clientId", description="The client id of a user-assigned managed identity."
    )

    @field_validator("namespace")
    @classmethod
    def _is_a_host(cls, value: str) -> str:
        if value and not _HOST.fullmatch(value):
            raise PydanticCustomError("host", "a namespace looks like NAME.servicebus.windows.net")
        return value

    @field_validator("connection")
    @classmethod
    def _is_a_connection_string(cls, value: SecretStr) -> SecretStr:
        if (text := value.get_secret_value()) and "endpoint=sb://" not in text.lower():
            raise PydanticCustomError("connection", "a connection string begins with Endpoint=sb://")
        return value

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if not self.namespace and not self.connection.get_secret_value():
            raise PydanticCustomError(
                "nowhere", "PRAXOS_QUEUE=servicebus needs ServiceBusConnection__fullyQualifiedNamespace"
            )
        return self

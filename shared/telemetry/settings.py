"""Where spans, metrics and logs are sent to."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, SecretStr

from shared.settings import EnvironmentSettings


class Telemetry(StrEnum):
    """What this machine keeps itself."""

    OFF = "off"
    LOCAL = "local"


class TelemetrySettings(EnvironmentSettings):
    """Everything is off where none of these is set."""

    telemetry: Telemetry = Field(
        Telemetry.OFF,
        alias="PRAXOS_TELEMETRY",
        description="local keeps spans in the data folder, for `python -m local trace`; off keeps none.",
    )
    keep_hours: float = Field(
        72, alias="PRAXOS_SPANS_HOURS", gt=0, description="How long spans are kept in the data folder."
    )
    max_megabytes: float = Field(
        64, alias="PRAXOS_SPANS_MB", gt=0, description="How large that file may become; the oldest spans go first."
    )
    connection_string: SecretStr = Field(
        SecretStr(""),
        alias="APPLICATIONINSIGHTS_CONNECTION_STRING",
        description="Sends spans, metrics and logs to Azure Monitor.",
    )
    authentication: str = Field(
        "",
        alias="APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
        description="Azure Monitor by managed identity: Authorization=AAD, or Authorization=AAD;ClientId=ID.",
    )
    otlp_endpoint: str = Field(
        "",
        alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="Sends them to an OpenTelemetry collector, by OTLP over HTTP; its other OTEL_ variables hold too.",
    )
    otlp_traces_endpoint: str = Field(
        "", alias="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", description="The same for spans alone, as a full address."
    )
    by_worker: bool = Field(
        False,
        alias="PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
        description="Azure's worker sends to Azure Monitor itself: then Praxos records through it and sends nothing.",
    )

    def exporters(self) -> list[str]:
        """The names of the exporters that are asked for, as the registry has them."""
        asked = {
            "local": self.telemetry is Telemetry.LOCAL,
            "otlp": bool(self.otlp_endpoint or self.otlp_traces_endpoint),
            "azure_monitor": bool(self.connection_string.get_secret_value()) and not self.by_worker,
        }
        return [name for name, wanted in asked.items() if wanted]

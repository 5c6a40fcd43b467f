"""Whether telemetry is asked for at all: the one look that a cold start takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SWITCHES: Final = (
    "PRAXOS_TELEMETRY",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
)
"""Where none of these is set nothing is recorded, and none of this is loaded."""
_OFF = ("", "off", "false", "0")


def asked_for(environ: Mapping[str, str]) -> bool:
    """Whether anything may have to be recorded at all. Cheap, for a cold start."""
    on = any(environ.get(name, "").lower() not in _OFF for name in SWITCHES)
    return on and environ.get("OTEL_SDK_DISABLED", "").lower() != "true"

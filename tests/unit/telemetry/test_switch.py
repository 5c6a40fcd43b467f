"""Where nothing asks for telemetry nothing of it is loaded, not even by a message's whole way; where something does, it is on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from shared.messages import SettingError
from shared.telemetry.asked import asked_for
from shared.telemetry.settings import TelemetrySettings

ROOT = Path(__file__).resolve().parents[3]
WEBHOOK = """
import asyncio, json, sys
import function_app
from shared import app
from shared.ports import WebhookRequest
from tests.fakes import telegram_updates as updates

async def main():
    current = app.current()
    made = updates.update(updates.message("hello"), update_id=1)
    answer = await current.webhooks.handle(name="telegram", request=updates.request(made))
    assert answer.status == 200, answer
    before = sorted(sys.modules)
    await current.close()
    print(json.dumps(before))

asyncio.run(main())
"""


def loaded(tmp_path: Path, **environ: str) -> list[str]:
    """The modules that are there once the first webhook is answered."""
    given = {
        "PATH": "",
        "PYTHONPATH": str(ROOT),
        "PRAXOS_HOME": str(tmp_path),
        "TELEGRAM_BOT_TOKEN": "4242:a-token",
        "TELEGRAM_WEBHOOK_SECRET": "a-secret_for-tests",
        **environ,
    }
    done = subprocess.run([sys.executable, "-c", WEBHOOK], cwd=ROOT, env=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


HEAVY = ("opentelemetry.sdk", "opentelemetry.exporter", "azure.monitor", "shared.exporters")
RECORDING = (
    "shared.telemetry.recording",
    "shared.telemetry.measuring",
    "shared.telemetry.settings",
    "shared.telemetry.protocols",
)


def test_off_the_first_webhook_loads_nothing_of_it(tmp_path: Path) -> None:
    assert [name for name in loaded(tmp_path, PRAXOS_TELEMETRY="off") if name.startswith((*HEAVY, *RECORDING))] == []


def test_on_the_first_webhook_loads_no_exporter(tmp_path: Path) -> None:
    found = loaded(tmp_path, PRAXOS_TELEMETRY="local", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert "opentelemetry.sdk.trace" in found
    assert [
        name for name in found if name.startswith(("opentelemetry.exporter", "azure.monitor", "shared.exporters"))
    ] == []


@pytest.mark.parametrize(
    ("environ", "on"),
    [
        ({}, False),
        ({"PRAXOS_TELEMETRY": "off"}, False),
        ({"PRAXOS_TELEMETRY": "local"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "False"}, False),
        ({"APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=0"}, True),
    ],
)
def test_what_asks_for_it(environ: dict[str, str], on: bool) -> None:
    assert asked_for(environ) is on


def test_where_the_worker_sends_to_azure_monitor_praxos_does_not() -> None:
    ours = {"APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=0", "PRAXOS_TELEMETRY": "local"}
    assert TelemetrySettings.from_environ(ours).exporters() == ["local", "azure_monitor"]
    theirs = {**ours, "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "true"}
    assert TelemetrySettings.from_environ(theirs).exporters() == ["local"]


def test_a_setting_that_is_wrong_is_named() -> None:
    with pytest.raises(SettingError, match="PRAXOS_TELEMETRY"):
        TelemetrySettings.from_environ({"PRAXOS_TELEMETRY": "everywhere"})


BORROWED = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

kept = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)  # as Azure's worker does

from shared import app, telemetry
app.current()
with telemetry.span("turn", root=True):
    pass
print([span.name for span in kept.get_finished_spans()])
"""


def test_what_the_worker_has_set_up_is_recorded_through(tmp_path: Path) -> None:
    given = {
        "PATH": "",
        "PYTHONPATH": str(ROOT),
        "PRAXOS_HOME": str(tmp_path),
        "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=00000000-0000-0000-0000-000000000001",
        "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "true",
    }
    done = subprocess.run([sys.executable, "-c", BORROWED], cwd=ROOT, env=given, capture_output=True, text=True)
    assert done.stdout.strip() == "['turn']", done.stderr

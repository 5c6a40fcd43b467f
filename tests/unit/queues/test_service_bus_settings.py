"""The adapter reads what the Functions host reads for its triggers, and becomes who the host becomes."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

from shared.messages import SettingError
from shared.queues.service_bus import ServiceBusQueue
from shared.queues.service_bus_settings import ServiceBusSettings
from shared.topology import QUEUES

EMULATOR = Path(__file__).resolve().parents[2] / "fakes" / "service_bus_emulator.json"
NAMESPACE = {"ServiceBusConnection__fullyQualifiedNamespace": "praxos.servicebus.windows.net"}
MANAGED = {**NAMESPACE, "ServiceBusConnection__credential": "managedidentity"}
CLIENT = {"ServiceBusConnection__clientId": "11111111-2222-3333-4444-555555555555"}
STRING = {
    "ServiceBusConnection": "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=k;SharedAccessKey=c2VjcmV0;UseDevelopmentEmulator=true"
}


@pytest.mark.parametrize(
    ("environ", "credential", "client_id"),
    [
        pytest.param(NAMESPACE, DefaultAzureCredential, None, id="whoever is there"),
        pytest.param(MANAGED, ManagedIdentityCredential, None, id="the app's own identity"),
        pytest.param({**MANAGED, **CLIENT}, ManagedIdentityCredential, CLIENT, id="an identity that it was given"),
        pytest.param({**NAMESPACE, **CLIENT}, DefaultAzureCredential, CLIENT, id="that one or whoever is there"),
    ],
)
async def test_the_identity_is_the_hosts(
    environ: dict[str, str], credential: type, client_id: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    made = credential.__init__

    def note(self: object, **options: object) -> None:
        asked.extend(options.values())
        made(self, **options)

    monkeypatch.setattr(credential, "__init__", note)
    queue = ServiceBusQueue(ServiceBusSettings.from_environ(environ))

    assert isinstance(queue._credential, credential)
    assert asked == [CLIENT["ServiceBusConnection__clientId"] if client_id else None]
    assert queue._client.fully_qualified_namespace == "praxos.servicebus.windows.net"
    await queue.close()


async def test_a_connection_string_comes_first_and_needs_no_identity() -> None:
    queue = ServiceBusQueue(ServiceBusSettings.from_environ({**MANAGED, **STRING}))
    assert queue._credential is None
    assert queue._client.fully_qualified_namespace == "127.0.0.1:1"
    await queue.close()


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "ServiceBusConnection__fullyQualifiedNamespace"),
        ({"ServiceBusConnection__fullyQualifiedNamespace": "sb://praxos"}, "looks like NAME.servicebus.windows.net"),
        ({**NAMESPACE, "ServiceBusConnection__credential": "password"}, "ServiceBusConnection__credential is wrong"),
        ({"ServiceBusConnection": "praxos"}, "ServiceBusConnection is wrong: .*begins with Endpoint=sb://"),
        ({"ServiceBusConnection": "Endpoint=sb://praxos/;SharedAccessKeyName=k"}, "ServiceBusConnection is wrong"),
    ],
)
def test_what_is_wrong_is_named(environ: dict[str, str], words: str) -> None:
    with pytest.raises(SettingError, match=words) as raised:
        ServiceBusQueue(ServiceBusSettings.from_environ(environ))
    assert "\n" not in str(raised.value)


def test_no_key_is_shown() -> None:
    settings = ServiceBusSettings.from_environ(STRING)
    assert "c2VjcmV0" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_the_emulator_is_set_to_our_topology() -> None:
    written = json.loads(EMULATOR.read_text())
    [namespace] = written["UserConfig"]["Namespaces"]
    assert {queue["Name"]: _settings(queue["Properties"]) for queue in namespace["Queues"]} == {
        name: (each.requires_session, each.duplicate_detection is not None, each.lock_duration, each.max_delivery_count)
        for name, each in QUEUES.items()
    }


def _settings(properties: dict[str, Any]) -> tuple[bool, bool, timedelta, int]:
    # The emulator knows no window for duplicates that is longer than five minutes: only whether there is one is compared.
    minutes = int(properties["LockDuration"].removeprefix("PT").removesuffix("M"))
    return (
        properties["RequiresSession"],
        properties["RequiresDuplicateDetection"],
        timedelta(minutes=minutes),
        properties["MaxDeliveryCount"],
    )

"""Every line of the registry builds what its port asks for: each method, each keyword, nothing renamed."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from shared import ports, registry
from shared.app import App
from shared.clock import SystemClock
from shared.messages import SettingError
from shared.settings import Settings

PORTS: dict[str, type] = {
    "channels": ports.Channel,
    "models": ports.ModelProvider,
    "tools": ports.Tool,
    "storage": ports.Store,
    "memory": ports.MemoryStore,
    "checkpoints": ports.Checkpoints,
    "queues": ports.Broker,
    "files": ports.Files,
    "secrets": ports.SecretStore,
    "exporters": ports.Exporter,
}
ENVIRON = {
    "TELEGRAM_BOT_TOKEN": "123456789:a-token-of-nobody",
    "TELEGRAM_WEBHOOK_SECRET": "a-secret-of-this-test",
    "PRAXOS_COSMOS_ENDPOINT": "https://nobody.documents.azure.com",
    "OPENAI_API_KEY": "nobody",
    "GOOGLE_API_KEY": "nobody",
    "PORTKEY_API_KEY": "nobody",
    "PRAXOS_BLOB_ACCOUNT_URL": "https://nobody.blob.core.windows.net",
    "PRAXOS_KEY_VAULT_URL": "https://nobody.vault.azure.net",
    "ServiceBusConnection__fullyQualifiedNamespace": "nobody.servicebus.windows.net",
}
ONLY_SENDS = ("queues", "servicebus")
"""In Azure the Functions host receives."""
LINES = [(group, name) for group, lines in registry.REGISTRY.items() for name in lines]


def no_network() -> aiohttp.ClientSession:
    raise AssertionError("building a plug-in must not open a connection")


@pytest.fixture
def parts(tmp_path: Path) -> ports.Parts:
    addresses = {"PRAXOS_HOME": tmp_path, "PRAXOS_QUEUE": "redis://127.0.0.1:1"}
    app = App(environ=ENVIRON, settings=Settings.model_validate(addresses))
    return ports.Parts(
        settings=app.settings,
        environ=ENVIRON,
        clock=SystemClock(),
        http=no_network,
        files=lambda: app.files,
        secrets=lambda: app.secrets,
    )


def members(port: type) -> Iterator[str]:
    for each in port.__mro__:
        if each.__module__.startswith(f"{ports.__name__}."):
            yield from (name for name in {**each.__annotations__, **vars(each)} if not name.startswith("_"))


def accepts(method: Any, asked: Any) -> bool:
    """Whether a method takes every call that the port allows."""
    own = {each.name: each for each in inspect.signature(method).parameters.values()}
    wanted = {each.name: each for each in inspect.signature(asked).parameters.values() if each.name != "self"}
    same = all(name in own and own[name].kind == each.kind for name, each in wanted.items())
    extra = [each for name, each in own.items() if name not in wanted]
    return same and all(each.default is not inspect.Parameter.empty for each in extra)


def differences(built: object, port: type) -> list[str]:
    found = []
    for name in members(port):
        asked = inspect.getattr_static(port, name, None)
        if not hasattr(built, name):
            found.append(f"{name} is missing")
        elif inspect.isfunction(asked) and not accepts(getattr(built, name), asked):
            found.append(f"{name}{inspect.signature(getattr(built, name))} is not {name}{inspect.signature(asked)}")
        elif inspect.iscoroutinefunction(asked) != inspect.iscoroutinefunction(getattr(built, name)):
            found.append(f"{name}: one is asynchronous, the other is not")
    return found


def test_every_group_has_a_port() -> None:
    assert PORTS.keys() == registry.REGISTRY.keys()


@pytest.mark.parametrize(("group", "name"), LINES)
async def test_a_line_builds_what_its_port_asks_for(group: str, name: str, parts: ports.Parts) -> None:
    built = registry.build_function(group, name)(parts)

    port = ports.Queue if (group, name) == ONLY_SENDS else PORTS[group]
    for each in built if group == "tools" else [built]:
        assert differences(each, port) == []
    if close := getattr(built, "close", None):
        await close()


def test_what_does_not_fit_is_seen() -> None:
    class Odd:
        async def get(self, *, key: str) -> str | None: ...

        def create(self, *, name: str, value: str) -> str: ...

    assert differences(Odd(), ports.SecretStore) == [
        "get(*, key: 'str') -> 'str | None' is not get(self, *, name: 'str', version: 'str' = '') -> 'str | None'",
        "create: one is asynchronous, the other is not",
        "put is missing",
        "disable is missing",
        "close is missing",
    ]


def test_an_unknown_name_is_said_with_those_that_are_known() -> None:
    with pytest.raises(SettingError, match=r"'icq' is not one of the channels that are installed: web, telegram"):
        registry.build_function("channels", "icq")


@pytest.mark.parametrize("address", ["redis://here", "rediss://u:p@there:6380/1", "unix:///run/redis.sock?db=2"])
def test_the_scheme_of_an_address_chooses(address: str) -> None:
    assert registry.chosen(address) == "redis"


def test_what_is_no_address_is_a_name() -> None:
    assert registry.chosen("sqlite") == "sqlite"


def test_an_address_that_nobody_takes_is_not_repeated_with_its_password() -> None:
    with pytest.raises(
        SettingError, match=r"^'amqp' is not one of the queues that are installed: sqlite, redis, servicebus$"
    ):
        registry.build_function("queues", registry.chosen("amqp://user:word@here"))


def test_a_package_adds_a_plug_in_without_a_fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "praxos_weather-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: praxos-weather\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(
        "[praxos.tools]\nweather = praxos_weather:build\ntime = praxos_weather:build\n"
    )
    (tmp_path / "praxos_weather.py").write_text("def build(parts):\n    return ['a tool']\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert registry.names("tools") == [*registry.REGISTRY["tools"], "weather"]
    assert registry.build_function("tools", "weather")(None) == ["a tool"]
    assert registry.build_function("tools", "time").__module__ == "shared.tools.time", "a name of ours stays ours"

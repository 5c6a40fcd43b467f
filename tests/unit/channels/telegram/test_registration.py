"""Telling Telegram where the webhook is."""

import argparse

import pytest

from local import channels
from shared.commands import COMMANDS
from shared.messages import NotTaken, SettingError
from shared.ports import Registrable
from tests.fakes.telegram_updates import SECRET, TOKEN


async def register(bench, url="https://praxos.example", commands=COMMANDS):
    return await bench.channel.register(url=url, commands=commands)


async def test_the_webhook_and_the_menu(bench):
    assert isinstance(bench.channel, Registrable)
    lines = await register(bench)
    webhook, menu = bench.telegram.called("setWebhook")[0], bench.telegram.called("setMyCommands")[0]
    assert webhook.parameters == {
        "url": "https://praxos.example/api/webhooks/telegram",
        "secret_token": SECRET,
        "allowed_updates": ["message", "edited_message", "callback_query"],
        "max_connections": 40,
    }
    assert [(one["command"], one["description"]) for one in menu.parameters["commands"]] == list(COMMANDS.items())
    assert any("praxos.example" in line for line in lines)
    assert not any(SECRET in line or TOKEN in line for line in lines)
    assert not any("TELEGRAM_BOT_USERNAME" in line for line in lines), "it is set already"


async def test_it_tells_a_name_that_is_not_set(bench):
    bench.telegram.username = "renamed_bot"
    assert "For mentions in groups, set TELEGRAM_BOT_USERNAME=renamed_bot" in await register(bench)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://a.example/", "https://a.example/api/webhooks/telegram"),
        ("https://a.example:8443", "https://a.example:8443/api/webhooks/telegram"),
        ("https://a.example/praxos", "https://a.example/praxos/api/webhooks/telegram"),
        ("https://a.example/api/webhooks/telegram", "https://a.example/api/webhooks/telegram"),
        ("https://a.example/api/webhooks/telegram?code=k", "https://a.example/api/webhooks/telegram?code=k"),
    ],
)
async def test_addresses(bench, url, address):
    await register(bench, url)
    assert bench.telegram.called("setWebhook")[0].parameters["url"] == address


@pytest.mark.parametrize("url", ["http://a.example", "a.example", "", "https://", "https://a:b", "https://a:7071"])
async def test_an_address_that_telegram_cannot_reach_is_said_so_before_any_call(bench, url):
    with pytest.raises(SettingError, match="--url"):
        await register(bench, url)
    assert bench.telegram.calls == []


async def test_a_wrong_token_is_said_so(bench):
    bench.telegram.fault("refuse", status=401, description="Unauthorized")
    with pytest.raises(NotTaken, match="TELEGRAM_BOT_TOKEN"):
        await register(bench)


async def run(monkeypatch, environ, url="https://praxos.example"):
    """Run the command in a thread of its own, as it runs its own event loop."""
    import asyncio

    for name in ("TELEGRAM_BOT_TOKEN", "TELEGRAM_WEBHOOK_SECRET"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return await asyncio.to_thread(channels.main, argparse.Namespace(channel="telegram", url=url))


async def test_the_command(bench, monkeypatch, capsys):
    environ = {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_WEBHOOK_SECRET": SECRET,
        "TELEGRAM_API_BASE": bench.telegram.url,
    }
    assert await run(monkeypatch, environ) == 0
    assert "https://praxos.example/api/webhooks/telegram" in capsys.readouterr().out
    assert await run(monkeypatch, environ, url="http://praxos.example") == 1
    assert "https://" in capsys.readouterr().err


async def test_the_command_names_a_setting_that_is_missing(monkeypatch, capsys):
    assert await run(monkeypatch, {}) == 1
    assert "TELEGRAM_BOT_TOKEN is missing" in capsys.readouterr().err

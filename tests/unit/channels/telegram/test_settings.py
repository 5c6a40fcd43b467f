"""What happens to settings that are missing or malformed."""

import pytest

from shared.channels.telegram.adapter import build
from shared.messages import SettingError
from tests.unit.channels.telegram.conftest import parts


def test_the_account_is_the_bots_id(channel):
    assert channel._settings.account == "4242"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TELEGRAM_BOT_TOKEN", ""),
        ("TELEGRAM_BOT_TOKEN", "no-colon"),
        ("TELEGRAM_BOT_TOKEN", "abc:def"),
        ("TELEGRAM_BOT_TOKEN", "12:with space"),
        ("TELEGRAM_BOT_TOKEN", "12:../../etc"),
        ("TELEGRAM_BOT_TOKEN", "12:ok\n"),
        ("TELEGRAM_WEBHOOK_SECRET", ""),
        ("TELEGRAM_WEBHOOK_SECRET", "with space"),
        ("TELEGRAM_WEBHOOK_SECRET", "é"),
        ("TELEGRAM_WEBHOOK_SECRET", "x" * 257),
        ("TELEGRAM_API_BASE", "api.telegram.org"),
        ("TELEGRAM_API_BASE", "https://user@host"),
        ("TELEGRAM_BOT_USERNAME", "not a name"),
        ("TELEGRAM_TIMEOUT_SECONDS", "0"),
        ("TELEGRAM_TIMEOUT_SECONDS", "soon"),
        ("TELEGRAM_MAX_CONNECTIONS", "101"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it_and_keeps_the_secret(name, value):
    with pytest.raises(SettingError) as raised:
        build(parts(environ={name: value}))
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)
    if value and name in {"TELEGRAM_BOT_TOKEN", "TELEGRAM_WEBHOOK_SECRET"}:
        assert value not in str(raised.value)


def test_secrets_do_not_show_in_the_settings_words(channel):
    assert "AAE" not in repr(channel._settings)
    assert "a-secret" not in repr(channel._settings)


def test_an_address_may_end_in_a_slash_and_a_name_may_begin_with_an_at():
    environ = {"TELEGRAM_API_BASE": "http://127.0.0.1:8081/", "TELEGRAM_BOT_USERNAME": "@praxos_bot"}
    settings = build(parts(environ=environ))._settings
    assert settings.api_base == "http://127.0.0.1:8081"
    assert settings.username == "praxos_bot"

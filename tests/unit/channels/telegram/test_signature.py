"""Only a request with exactly the secret passes."""

from dataclasses import replace

import pytest

from shared.messages import Unverified
from tests.fakes import telegram_updates as updates


def test_the_right_secret_passes(channel):
    channel.verify(request=updates.request(b"not even json"))


@pytest.mark.parametrize(
    "secret",
    [
        None,
        "",
        "wrong",
        updates.SECRET + "x",
        updates.SECRET[:-1],
        updates.SECRET.upper(),
        f"{updates.SECRET}, {updates.SECRET}",
        f"{updates.SECRET} ",
        "é",
        "\udcff\udcfe",
        "\0",
        "a" * 100_000,
    ],
)
def test_anything_else_is_unverified(channel, secret):
    with pytest.raises(Unverified) as raised:
        channel.verify(request=updates.request({"update_id": 1}, secret=secret))
    assert updates.SECRET not in str(raised.value)


def test_the_secret_counts_only_in_its_own_header(channel):
    request = updates.request({"update_id": 1}, secret=None)
    request = replace(request, headers={"authorization": updates.SECRET}, query={"secret": updates.SECRET})
    with pytest.raises(Unverified):
        channel.verify(request=request)

"""Tests cannot talk to the world, and neither can what they start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

ELSEWHERE = [("192.0.2.1", 443), ("praxos.example", 443), ("2001:db8::1", 443)]


@pytest.mark.parametrize("address", ELSEWHERE)
def test_a_connection_to_elsewhere_is_refused(address: tuple[str, int]):
    with pytest.raises(RuntimeError, match="a test tried to reach"):
        socket.create_connection(address)


def test_a_datagram_to_elsewhere_is_refused():
    with socket.socket(type=socket.SOCK_DGRAM) as sender, pytest.raises(RuntimeError, match="a test tried to reach"):
        sender.sendto(b"hello", ELSEWHERE[0])


def test_a_process_that_a_test_starts_is_held_to_it():
    script = "import socket; socket.create_connection(('praxos.example', 443))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert "LiveCall: a test tried to reach 'praxos.example'" in done.stderr


NAMESPACE = {"SERVICEBUS_CONNECTION": "Endpoint=sb://mine.example/;SharedAccessKeyName=k"}
ACCOUNT = {"COSMOS_ENDPOINT": "https://mine.example:444/"}
ASKED = """
import sys
for name, port in (("mine.example", 5671), ("mine-westeurope.example", 444), ("other.example", 5671), ("", 443)):
    try:
        sys.audit("socket.getaddrinfo", name, port)
        sys.audit("socket.connect", None, ("192.0.2.1", port))
    except RuntimeError:
        print("refused")
    else:
        print("allowed")
"""


@pytest.mark.parametrize(
    ("named", "answers"),
    [
        (NAMESPACE, ["allowed", "refused", "refused", "refused"]),
        (ACCOUNT, ["refused", "allowed", "refused", "refused"]),
        (NAMESPACE | ACCOUNT, ["allowed", "allowed", "refused", "refused"]),
        ({"SERVICEBUS_CONNECTION": "Endpoint=sb:///", "COSMOS_ENDPOINT": "https://"}, ["refused"] * 4),
        ({}, ["refused"] * 4),
    ],
)
def test_only_what_was_named_can_be_reached(named: dict[str, str], answers: list[str]):
    done = subprocess.run(
        [sys.executable, "-c", ASKED], capture_output=True, text=True, env={**os.environ, **named}, check=True
    )
    assert done.stdout.split() == answers


def test_this_machine_can_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()[:2]) as client:
        client.sendall(b"hello")


def test_no_key_of_the_developer_reaches_a_test():
    prefixes = ("OPENAI_", "GOOGLE_", "PORTKEY_", "TELEGRAM_", "LANGSMITH_")

    assert [name for name in os.environ if name.startswith(prefixes)] == []

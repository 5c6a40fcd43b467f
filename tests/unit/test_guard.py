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


def test_only_the_namespace_that_was_named_can_be_reached_and_only_by_amqp():
    script = (
        "import sys\n"
        "for event, *what in (\n"
        "    ('socket.getaddrinfo', 'mine.example', 5671), ('socket.connect', None, ('192.0.2.1', 5671)),\n"
        "    ('socket.getaddrinfo', 'other.example', 5671), ('socket.connect', None, ('192.0.2.1', 443)),\n"
        "):\n"
        "    try: sys.audit(event, *what)\n"
        "    except RuntimeError: print('refused')\n"
        "    else: print('allowed')\n"
    )
    for named, answers in (("mine.example", ["allowed", "allowed", "refused", "refused"]), ("", ["refused"] * 4)):
        environ = {**os.environ, "SERVICEBUS_CONNECTION": f"Endpoint=sb://{named}/;SharedAccessKeyName=k"}
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environ)
        assert done.stdout.split() == answers


def test_this_machine_can_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()[:2]) as client:
        client.sendall(b"hello")


def test_no_key_of_the_developer_reaches_a_test():
    prefixes = ("OPENAI_", "GOOGLE_", "PORTKEY_", "TELEGRAM_", "LANGSMITH_")

    assert [name for name in os.environ if name.startswith(prefixes)] == []

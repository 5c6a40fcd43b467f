"""Ports for servers that a test starts, and starts again on the same one."""

from __future__ import annotations

import random
import socket

BELOW_EPHEMERAL = range(12_000, 30_000)
"""From its own range (32768 and up on Linux) the kernel gives every outgoing connection a port, also the one just let go."""


def free_port() -> int:
    """A loopback port that nobody listens on now, and that no outgoing connection takes."""
    choose = random.SystemRandom()
    while True:
        port = choose.choice(BELOW_EPHEMERAL)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port

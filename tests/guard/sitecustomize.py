"""Refuses every connection that would leave this machine, in the test process and in every Python that it starts.

Python imports a `sitecustomize` that it finds on PYTHONPATH; tests/conftest.py puts this folder there. The one exception is
the Service Bus namespace that whoever runs the tests names in SERVICEBUS_CONNECTION, by AMQP over TLS.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys

_NAMED = re.search(r"Endpoint=sb://([^/:;]+)", os.environ.get("SERVICEBUS_CONNECTION", ""))
_AMQPS = 5671


class LiveCall(RuntimeError):
    """A test tried to talk to the world."""


def _local(host: object) -> bool:
    if host is None or isinstance(host, bytes):
        host = (host or b"").decode("ascii", "replace")
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = arguments[0]
        if _NAMED and host == _NAMED[1]:
            return
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if not isinstance(address, tuple):  # a Unix socket's path, or none for one that is connected
            return
        if _NAMED and address[1] == _AMQPS:
            return
        host = address[0]
    else:
        return
    if not _local(host):
        raise LiveCall(f"a test tried to reach {host!r}: only this machine's loopback is there for tests")


sys.addaudithook(_refuse)

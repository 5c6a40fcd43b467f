"""Refuses every connection that would leave this machine, in the test process and in every Python that it starts.

Python imports a `sitecustomize` that it finds on PYTHONPATH; tests/conftest.py puts this folder there.
"""

from __future__ import annotations

import ipaddress
import sys


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
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if not isinstance(address, tuple):  # a Unix socket's path, or none for one that is connected
            return
        host = address[0]
    else:
        return
    if not _local(host):
        raise LiveCall(f"a test tried to reach {host!r}: only this machine's loopback is there for tests")


sys.addaudithook(_refuse)

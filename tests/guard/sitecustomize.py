"""Refuses every connection that would leave this machine, in the test process and in every Python that it starts.

Python imports a `sitecustomize` that it finds on PYTHONPATH; tests/conftest.py puts this folder there. The exceptions are
what whoever runs the tests has named: the Service Bus namespace of SERVICEBUS_CONNECTION, by AMQP over TLS, and the
Cosmos DB account of COSMOS_ENDPOINT, with the addresses that it has in its regions.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from urllib.parse import urlsplit

_NAMESPACE = re.search(r"Endpoint=sb://([^/:;]+)", os.environ.get("SERVICEBUS_CONNECTION", ""))
_ACCOUNT = urlsplit(os.environ.get("COSMOS_ENDPOINT", ""))
_PORTS = ({5671} if _NAMESPACE else set()) | ({_ACCOUNT.port or 443} if _ACCOUNT.hostname else set())


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


def _named(host: object) -> bool:
    if _NAMESPACE and host == _NAMESPACE[1]:
        return True
    name, _, domain = (_ACCOUNT.hostname or "").partition(".")
    # In a region it is NAME-REGION.documents.azure.com.
    return bool(domain) and re.fullmatch(rf"{re.escape(name)}(-[a-z0-9]+)?\.{re.escape(domain)}", str(host)) is not None


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = arguments[0]
        if _named(host):
            return
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if not isinstance(address, tuple):  # a Unix socket's path, or none for one that is connected
            return
        if address[1] in _PORTS:
            return
        host = address[0]
    else:
        return
    if not _local(host):
        raise LiveCall(f"a test tried to reach {host!r}: only this machine's loopback is there for tests")


sys.addaudithook(_refuse)

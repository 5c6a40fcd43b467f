"""Which addresses may be fetched from: those of the public Internet, and nothing of ours or of the cloud's."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from yarl import URL

from shared.messages import PraxosError

PORTS = frozenset({80, 443, 8080, 8443})
MAX_URL = 2_000

Address = IPv4Address | IPv6Address
Public = Callable[[Address], bool]

# IANA's registries of special-purpose addresses (RFC 6890), multicast, and what clouds add to them.
_FORBIDDEN_V4 = (
    ip_network("0.0.0.0/8"),
    ip_network("10.0.0.0/8"),
    ip_network("100.64.0.0/10"),  # shared by carriers (RFC 6598); also Alibaba's metadata, 100.100.100.200
    ip_network("127.0.0.0/8"),
    ip_network("168.63.129.16/32"),  # Azure's own virtual address: name server, health probes, WireServer
    ip_network("169.254.0.0/16"),  # link-local; most clouds' metadata is 169.254.169.254
    ip_network("172.16.0.0/12"),
    ip_network("192.0.0.0/24"),
    ip_network("192.0.2.0/24"),
    ip_network("192.88.99.0/24"),
    ip_network("192.168.0.0/16"),
    ip_network("198.18.0.0/15"),
    ip_network("198.51.100.0/24"),
    ip_network("203.0.113.0/24"),
    ip_network("224.0.0.0/4"),
    ip_network("240.0.0.0/4"),
)
# Outside 2000::/3 nothing is global: loopback, mapped IPv4, link-local, private (fd00:ec2::254), multicast.
_GLOBAL_V6 = ip_network("2000::/3")
_FORBIDDEN_V6 = (
    ip_network("2001::/23"),  # Teredo, benchmarks, ORCHID and other protocols
    ip_network("2001:db8::/32"),
    ip_network("2002::/16"),  # 6to4: an IPv4 address in disguise, and deprecated
    ip_network("3fff::/20"),
)
_NAT64 = ip_network("64:ff9b::/96")

_NAME = re.compile(r"(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}")
_LOCAL_NAMES = frozenset(
    {"localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "private", "arpa"}
)
"""Last labels of names that no public server has: among them metadata.google.internal and home.arpa."""


class FetchError(PraxosError):
    """A page could not be had. The message is for the person."""


class NotPublicError(FetchError):
    """An address that is not fetched from: not of the public Internet, or not in a form that can be trusted."""


def is_public(address: Address) -> bool:
    """True for an address of the public Internet. NAT64 is judged by the IPv4 address inside it."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _FORBIDDEN_V4)
    if address.scope_id:
        return False
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    return address in _GLOBAL_V6 and not any(address in network for network in _FORBIDDEN_V6)


def check(text: str, *, public: Public = is_public, ports: Collection[int] = PORTS) -> URL:
    """Read a URL that may be fetched. Raises NotPublicError.

    It looks up nothing: a name that passes may still stand for an address that is not public.
    """
    if len(text) > MAX_URL:
        raise NotPublicError(f"The address is longer than {MAX_URL} characters.")
    try:
        url = URL(text.strip())
        host, port = url.raw_host or "", url.port
    except ValueError:
        raise NotPublicError(f"{text[:100]!r} is not an address that I can read.") from None
    if url.scheme not in ("http", "https"):
        raise NotPublicError(
            f"{text[:100]!r} is not the address of a web page: it has to begin with https:// or http://."
        )
    if "@" in url.raw_authority:
        raise NotPublicError("I do not open addresses that have a user name or a password in them.")
    if port not in ports:
        raise NotPublicError(f"I do not open port {port} of {host}; only {', '.join(map(str, sorted(ports)))}.")
    return url.with_host(_host(host, public)).with_fragment(None)


def _host(host: str, public: Public) -> str:
    """A host as it is connected to. An IP address has one spelling that is read, every other one is refused."""
    name = host.lower().removesuffix(".")
    address: Address | None = None
    try:
        address = ip_address(name)
    except ValueError:
        # What ends in a number is an address to a resolver: 127.1, 0x7f000001, 017700000001, 2130706433.
        last = name.rpartition(".")[2]
        if last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last):
            raise NotPublicError(f"{host!r} is an unusual way to write an IP address, which I do not open.") from None
    if address is not None and not public(address):
        raise refusal(host)
    if address is None and (not _NAME.fullmatch(name) or name.rpartition(".")[2] in _LOCAL_NAMES):
        raise refusal(host)
    return name


def refusal(host: str) -> NotPublicError:
    """What to say of a host that is not public."""
    return NotPublicError(f"{host[:100]!r} is not on the public Internet, so I do not open it.")

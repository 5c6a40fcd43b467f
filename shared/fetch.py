"""Fetching a page of the public Internet on a person's behalf, bounded in bytes and time.

The address comes from a person, a model or another page. What counts is what is connected to: it is checked as the name
is resolved and again as the socket is made, for the first address and after every redirect.
"""

from __future__ import annotations

import asyncio
import re
import socket
import zlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from shared.egress import PORTS, Address, FetchError, Public, check, is_public, refusal
from shared.telemetry.http_client import requests

MAX_REDIRECTS = 5
MAX_BYTES = 2_000_000
"""The most that is read of a page, counted after decompression."""
SECONDS = 20.0
"""How long a page may take, name resolution and redirects included."""
AT_ONCE = 8
"""How many pages are fetched at the same time; the others wait."""

LookUp = Callable[[str, int], Awaitable[Sequence[Address]]]

_READABLE = re.compile(r"text/.+|application/(?:[\w.-]+\+)?(?:json|xml)")
_CHUNK = 64 * 1024
_HEADERS = {
    "User-Agent": "Praxos/1.0 (reads a page for a person who asked for it)",
    "Accept": "text/html, application/xhtml+xml, text/plain, application/json, application/xml;q=0.9, */*;q=0.1",
    "Accept-Encoding": "gzip, deflate",
}
# Resolvers block, and some for long: they get threads of their own.
_resolvers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="look-up")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back. `url` is where the redirects ended; `cut`: there was more than fits."""

    url: str
    media_type: str
    charset: str
    body: bytes
    cut: bool


async def system_look_up(host: str, port: int) -> Sequence[Address]:
    """The addresses of a host name, as the system's resolver knows them. Raises OSError."""
    found = await asyncio.get_running_loop().run_in_executor(
        _resolvers, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )
    return [ip_address(socket_address[0]) for *_, socket_address in found]


class _PublicResolver(AbstractResolver):
    """Answers with public addresses only. aiohttp connects to what it is told here and looks up nothing by itself."""

    def __init__(self, look_up: LookUp, public: Public) -> None:
        self._look_up = look_up
        self._public = public

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        allowed = [address for address in await self._look_up(host, port) if self._public(address)]
        if not allowed:
            raise refusal(host)
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in allowed
        ]

    async def close(self) -> None:
        pass


class PublicFetcher:
    """Fetches pages: http and https, GET only, with no cookies, credentials or proxies.

    Nothing is carried from one page to the next: a session lives for one call.
    """

    def __init__(
        self,
        *,
        public: Public = is_public,
        ports: Collection[int] = PORTS,
        look_up: LookUp = system_look_up,
        max_bytes: int = MAX_BYTES,
        seconds: float = SECONDS,
    ) -> None:
        self._public = public
        self._ports = ports
        self._look_up = look_up
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._places = asyncio.Semaphore(AT_ONCE)

    async def get(self, address: str) -> Fetched:
        """Fetch one page. Raises FetchError, and NotPublicError for an address that is not fetched from."""
        url = self._check(address)
        try:
            async with asyncio.timeout(self._seconds), self._places, self._session() as session:
                return await self._follow(session, url)
        except TimeoutError:
            raise FetchError(f"{url.host} took longer than {self._seconds:g} seconds.") from None
        except aiohttp.ClientConnectorCertificateError:
            raise FetchError(f"{url.host} has no valid certificate.") from None
        except aiohttp.ClientConnectorDNSError:
            raise FetchError(f"There is no server called {url.host}.") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchError(f"{url.host} could not be reached, or answered with something unreadable.") from error

    def _check(self, address: str) -> URL:
        return check(address, public=self._public, ports=self._ports)

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=_PublicResolver(self._look_up, self._public),
            socket_factory=self._socket,
            use_dns_cache=False,
            force_close=True,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            headers=_HEADERS,
            trace_configs=requests(private=True),  # the host comes from what a person or a model wrote
            timeout=aiohttp.ClientTimeout(total=self._seconds, sock_connect=self._seconds / 2),
        )

    def _socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, socket_address = info
        host = str(socket_address[0])
        if not self._public(ip_address(host)):
            raise refusal(host)
        return socket.socket(family, kind, protocol)

    async def _follow(self, session: aiohttp.ClientSession, url: URL) -> Fetched:
        for _ in range(MAX_REDIRECTS + 1):
            async with session.get(url, allow_redirects=False) as response:
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or not location:
                    return await self._read(response, url)
            url = self._check(str(url.join(URL(location))))
        raise FetchError(f"{url.host} redirects too often.")

    async def _read(self, response: aiohttp.ClientResponse, url: URL) -> Fetched:
        if response.status >= 400:
            known = response.status in HTTPStatus.__members__.values()
            phrase = f" ({HTTPStatus(response.status).phrase})" if known else ""
            raise FetchError(f"{url.host} answered with status {response.status}{phrase}.")
        if not _READABLE.fullmatch(response.content_type):
            raise FetchError(f"What is at {url} is no text but {response.content_type[:60]!r}, which I cannot read.")
        unpack = _unpacker(response.headers.get("Content-Encoding", ""))
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += unpack(chunk, self._max_bytes + 1 - len(body))
            if len(body) > self._max_bytes:
                break
        return Fetched(
            url=str(url),
            media_type=response.content_type,
            charset=response.charset or "",
            body=bytes(body[: self._max_bytes]),
            cut=len(body) > self._max_bytes,
        )


_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    """A function from a chunk and the bytes there is room for to what it holds. It never makes more than that."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return lambda chunk, room: chunk[:room]
    if name not in ("gzip", "x-gzip", "deflate"):
        raise FetchError(f"The page is packed in a way that I cannot read ({encoding[:30]!r}).")
    # 32: the kind of header, gzip's or zlib's, is told by the header itself.
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)

    def unpack(chunk: bytes, room: int) -> bytes:
        try:
            return stream.decompress(chunk, room)
        except zlib.error:
            raise FetchError("The page is packed in a way that I cannot read.") from None

    return unpack

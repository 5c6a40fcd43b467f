"""Fetching: only from the addresses that were checked, and never more than the bounds. A local server plays the web."""

from __future__ import annotations

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from ipaddress import IPv4Address, ip_address

import pytest
from aiohttp import web

from shared.egress import Address, FetchError, NotPublicError
from shared.fetch import MAX_REDIRECTS, PublicFetcher, _PublicResolver, _unpacker

OPEN = IPv4Address("127.0.0.1")
"""Counts as public in these tests."""
CLOSED = IPv4Address("127.0.0.2")
"""Another address of this machine, which does not."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """A web server on both addresses, whose pages a test sets."""

    def __init__(self) -> None:
        self.pages: dict[str, Handler] = {}
        self.requests: list[web.Request] = []
        self.port = 0

    def url(self, path: str = "/", host: str = str(OPEN)) -> str:
        return f"http://{host}:{self.port}{path}"

    def page(self, path: str, body: bytes = b"hello", **options: object) -> str:
        async def handler(_: web.Request) -> web.Response:
            return web.Response(**{"body": body, "content_type": "text/plain", **options})

        self.pages[path] = handler
        return self.url(path)

    def redirect(self, path: str, target: str, *, status: int = 302, **headers: str) -> str:
        return self.page(path, status=status, headers={"Location": target, **headers})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        return await self.pages[request.path](request)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    found = Site()
    runner = web.ServerRunner(web.Server(found.answer))
    await runner.setup()
    first = web.TCPSite(runner, str(OPEN), 0)
    await first.start()
    found.port = runner.addresses[0][1]
    await web.TCPSite(runner, str(CLOSED), found.port).start()
    yield found
    await runner.cleanup()


def names(**known: Sequence[Address]) -> Callable[[str, int], Awaitable[Sequence[Address]]]:
    async def look_up(host: str, port: int) -> Sequence[Address]:
        try:
            return known[host.replace(".", "_")]
        except KeyError:
            raise OSError("no such host") from None

    return look_up


@pytest.fixture
def fetcher(site: Site) -> Callable[..., PublicFetcher]:
    def make(**options: object) -> PublicFetcher:
        return PublicFetcher(public=lambda address: address == OPEN, ports={site.port}, **options)

    return make


async def test_a_page_is_fetched(site: Site, fetcher: Callable[..., PublicFetcher]) -> None:
    url = site.page(
        "/page", "grüß".encode("latin-1"), headers={"Content-Type": "text/plain; charset=latin-1"}, content_type=None
    )
    fetched = await fetcher().get(url)
    assert (fetched.url, fetched.media_type, fetched.charset) == (url, "text/plain", "latin-1")
    assert fetched.body.decode(fetched.charset) == "grüß"
    assert not fetched.cut


async def test_redirects_are_followed_up_to_a_limit(site: Site, fetcher: Callable[..., PublicFetcher]) -> None:
    site.page("/0", b"arrived")
    for step in range(1, MAX_REDIRECTS + 2):
        site.redirect(f"/{step}", f"/{step - 1}", status=[301, 302, 303, 307, 308][step % 5])
    fetched = await fetcher().get(site.url(f"/{MAX_REDIRECTS}"))
    assert (fetched.body, fetched.url) == (b"arrived", site.url("/0"))
    with pytest.raises(FetchError, match="too often"):
        await fetcher().get(site.url(f"/{MAX_REDIRECTS + 1}"))


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2:{port}/secret",
        "//127.0.0.2:{port}/secret",
        "http://2130706434:{port}/secret",
        "http://[::ffff:127.0.0.2]:{port}/secret",
        "http://localhost:{port}/secret",
        "http://user@127.0.0.1:{port}/secret",
        "http://127.0.0.1:6379/secret",
        "file:///etc/passwd",
        "http://[",
    ],
)
async def test_a_redirect_leads_nowhere_else(site: Site, fetcher: Callable[..., PublicFetcher], target: str) -> None:
    site.page("/secret", b"secret")
    url = site.redirect("/page", target.format(port=site.port))
    with pytest.raises(FetchError):
        await fetcher().get(url)
    assert [request.path for request in site.requests] == ["/page"]


async def test_a_name_that_stands_for_an_address_inside_is_refused(
    site: Site, fetcher: Callable[..., PublicFetcher]
) -> None:
    site.page("/page")
    with pytest.raises(NotPublicError):
        await fetcher(look_up=names(inside_example=[CLOSED])).get(site.url("/page", "inside.example"))
    assert site.requests == []


async def test_of_a_name_s_addresses_only_public_ones_are_connected_to(
    site: Site, fetcher: Callable[..., PublicFetcher]
) -> None:
    site.page("/page")
    both = fetcher(look_up=names(both_example=[CLOSED, ip_address("::1"), OPEN]))
    assert (await both.get(site.url("/page", "both.example"))).body == b"hello"
    assert [request.headers["Host"] for request in site.requests] == [f"both.example:{site.port}"]


async def test_what_was_checked_is_what_is_connected_to(site: Site, fetcher: Callable[..., PublicFetcher]) -> None:
    answers = [[OPEN], [CLOSED]]
    asked = []

    async def rebinding(host: str, port: int) -> Sequence[Address]:
        asked.append(host)
        return answers[len(asked) - 1]

    reached = []

    async def page(request: web.Request) -> web.Response:
        assert request.transport is not None
        reached.append(request.transport.get_extra_info("sockname")[0])
        return web.Response(text="hello")

    site.pages["/page"] = page
    found = fetcher(look_up=rebinding)
    await found.get(site.url("/page", "rebinding.example"))
    assert (asked, reached) == (["rebinding.example"], ["127.0.0.1"]), "one look-up for check and connection"
    with pytest.raises(NotPublicError):
        await found.get(site.url("/page", "rebinding.example"))
    assert reached == ["127.0.0.1"]


async def test_a_name_is_checked_again_after_a_redirect_to_itself(
    site: Site, fetcher: Callable[..., PublicFetcher]
) -> None:
    answers = [[OPEN], [CLOSED]]

    async def rebinding(host: str, port: int) -> Sequence[Address]:
        return answers.pop(0)

    site.redirect("/page", "/secret")
    site.page("/secret")
    with pytest.raises(NotPublicError):
        await fetcher(look_up=rebinding).get(site.url("/page", "rebinding.example"))
    assert [request.path for request in site.requests] == ["/page"]


async def test_the_resolver_answers_with_public_addresses_only() -> None:
    look_up = names(both_example=[CLOSED, OPEN], inside_example=[CLOSED])
    resolver = _PublicResolver(look_up, lambda address: address == OPEN)
    assert [found["host"] for found in await resolver.resolve("both.example", 80)] == [str(OPEN)]
    with pytest.raises(NotPublicError):
        await resolver.resolve("inside.example", 80)


def test_no_socket_is_made_for_an_address_inside() -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 80))
    with pytest.raises(NotPublicError):
        PublicFetcher()._socket(info)


async def test_an_unknown_name_is_said_in_words(fetcher: Callable[..., PublicFetcher], site: Site) -> None:
    with pytest.raises(FetchError, match=r"no server called nowhere\.example"):
        await fetcher(look_up=names()).get(site.url("/", "nowhere.example"))


async def test_a_long_page_is_cut(site: Site, fetcher: Callable[..., PublicFetcher]) -> None:
    fetched = await fetcher(max_bytes=1000).get(site.page("/page", b"x" * 1001))
    assert (len(fetched.body), fetched.cut) == (1000, True)
    fetched = await fetcher(max_bytes=1000).get(site.page("/page", b"x" * 1000))
    assert (len(fetched.body), fetched.cut) == (1000, False)


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_packed_page_is_unpacked_within_the_bound(
    site: Site, fetcher: Callable[..., PublicFetcher], coding: str, pack: Callable[[bytes], bytes]
) -> None:
    found = fetcher(max_bytes=100_000)
    headers = {"Content-Encoding": coding}
    fetched = await found.get(site.page("/page", pack(b"hello"), headers=headers))
    assert fetched.body == b"hello"
    bomb = pack(bytes(50_000_000))
    assert len(bomb) < 100_000, "small enough to pass a bound on what is sent"
    assert len(_unpacker(coding)(bomb, 1000)) == 1000, "no more than that is ever made"
    fetched = await found.get(site.page("/bomb", bomb, headers=headers))
    assert (len(fetched.body), fetched.cut) == (100_000, True)


@pytest.mark.parametrize(("coding", "body"), [("gzip", b"no gzip"), ("br", b"x"), ("gzip, gzip", b"x")])
async def test_what_cannot_be_unpacked_is_said(
    site: Site, fetcher: Callable[..., PublicFetcher], coding: str, body: bytes
) -> None:
    with pytest.raises(FetchError, match="packed"):
        await fetcher().get(site.page("/page", body, headers={"Content-Encoding": coding}))


@pytest.mark.parametrize("media_type", ["image/png", "application/pdf", "application/octet-stream", "video/mp4"])
async def test_what_is_no_text_is_not_read(site: Site, fetcher: Callable[..., PublicFetcher], media_type: str) -> None:
    with pytest.raises(FetchError, match="no text"):
        await fetcher().get(site.page("/page", content_type=media_type))


@pytest.mark.parametrize(
    "media_type",
    ["text/html", "application/json", "application/ld+json", "application/xhtml+xml", "application/rss+xml"],
)
async def test_texts_of_all_kinds_are_read(site: Site, fetcher: Callable[..., PublicFetcher], media_type: str) -> None:
    assert (await fetcher().get(site.page("/page", content_type=media_type))).media_type == media_type


@pytest.mark.parametrize(("status", "words"), [(404, "Not Found"), (500, "Internal"), (599, "599")])
async def test_a_refusing_server_is_said(
    site: Site, fetcher: Callable[..., PublicFetcher], status: int, words: str
) -> None:
    with pytest.raises(FetchError, match=words):
        await fetcher().get(site.page("/page", status=status))


async def test_a_slow_page_is_given_up(site: Site, fetcher: Callable[..., PublicFetcher]) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.02)

    site.pages["/page"] = drip
    with pytest.raises(FetchError, match="took longer"):
        await fetcher(seconds=0.3).get(site.url("/page"))


async def test_a_slow_look_up_is_given_up(site: Site, fetcher: Callable[..., PublicFetcher]) -> None:
    async def never(host: str, port: int) -> Sequence[Address]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(FetchError, match="took longer"):
        await fetcher(seconds=0.2, look_up=never).get(site.url("/", "slow.example"))


@pytest.mark.parametrize(
    "raw", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nshort",
            b"HTTP/1.1 200 OK\r\n" + b"x" * 100_000]
)  # fmt: skip
async def test_a_broken_server_is_said_in_words(raw: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(raw)
        writer.close()

    server = await asyncio.start_server(serve, str(OPEN), 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(FetchError, match="could not be reached"):
            await PublicFetcher(public=lambda _: True, ports={port}).get(f"http://{OPEN}:{port}/")


async def test_nothing_of_the_process_or_of_another_page_goes_along(
    site: Site, fetcher: Callable[..., PublicFetcher], monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    site.redirect("/page", "/next", **{"Set-Cookie": "id=1"})
    site.page("/next")
    found = fetcher()
    await found.get(site.url("/page"))
    await found.get(site.url("/next"))
    assert len(site.requests) == 3
    for request in site.requests:
        assert not {"Cookie", "Authorization", "Referer"} & set(request.headers)
        assert request.method == "GET"

"""What only files on Blob Storage have: prefixes, blocks, roles, and trouble that may pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from shared.azure_errors import Misconfigured
from shared.files import azure_blob as adapter
from shared.files.azure_blob import BLOCK_BYTES, KEEP_DAYS, AzureBlobFiles, build
from shared.files.azure_blob_settings import AzureBlobSettings
from shared.messages import SettingError, TooLarge, Transient
from shared.ports import StoredFile
from tests.fakes import azurite as emulator
from tests.fakes.azure_blob import AT_ONCE, Container, azure_blob, new_container
from tests.fakes.azurite import Azurite
from tests.fakes.certificates import Certificate
from tests.fakes.clock import ManualClock
from tests.fakes.identity import StaticCredential
from tests.fakes.tools import parts

LIMIT = 10_000_000
DAY = timedelta(days=1)


@pytest.fixture
async def container(azurite: Azurite) -> Container:
    return await new_container(azurite)


@pytest.fixture
async def files(container: Container) -> AsyncIterator[AzureBlobFiles]:
    opened = azure_blob(container, ManualClock(), limit=LIMIT)
    yield opened
    await opened.close()


async def put(files: AzureBlobFiles, content: bytes | AsyncIterator[bytes] = b"hello", **changes: Any) -> StoredFile:
    asked: dict[str, Any] = {"owner": "owner", "name": "a.txt", "media_type": "text/plain", "keep": DAY, **changes}
    return await files.put(content=content, **asked)


async def got(files: AzureBlobFiles) -> bytes | None:
    return await files.get(id=f"{'0' * 32}-1")


async def described(files: AzureBlobFiles) -> StoredFile | None:
    return await files.describe(id=f"{'0' * 32}-1")


async def blobs(container: Container) -> list[str]:
    """Every name in the container, also those of which only blocks are there."""
    async with container.service() as service:
        listed = service.get_container_client(container.name).list_blobs(include=["uncommittedblobs"])
        return [blob.name async for blob in listed]


# --- what the lifecycle rules go by ---


@pytest.mark.parametrize(
    ("keep", "days"),
    [
        (timedelta(minutes=1), 1),
        (DAY, 1),
        (DAY + timedelta(seconds=1), 7),
        (timedelta(days=30), 30),
        (timedelta(days=90), 90),
        (timedelta(days=400), 400),
    ],
)
async def test_a_name_says_how_long_it_is_kept(
    files: AzureBlobFiles, container: Container, keep: timedelta, days: int
) -> None:
    stored = await put(files, keep=keep)
    assert await blobs(container) == [f"keep-{days}/{stored.id}"]
    assert await files.describe(id=stored.id) == stored


async def test_nothing_is_kept_for_longer_than_a_rule_says(files: AzureBlobFiles) -> None:
    with pytest.raises(ValueError, match="400 days"):
        await put(files, keep=timedelta(days=KEEP_DAYS[-1], seconds=1))


async def test_another_prefix_makes_another_id(files: AzureBlobFiles) -> None:
    stored = await put(files)
    for days in ("7", "2", "01", "0", "999"):
        assert await files.get(id=f"{stored.id.partition('-')[0]}-{days}") is None


async def test_a_blob_that_is_not_ours_is_not_there(files: AzureBlobFiles, container: Container) -> None:
    id = f"{'0' * 32}-1"
    async with container.service() as service:
        await service.get_blob_client(container.name, f"keep-1/{id}").upload_blob(b"x", metadata={"expires_at": "soon"})
    assert await files.describe(id=id) is None
    assert await files.get(id=id) is None


# --- streams ---


async def test_a_stream_of_many_blocks_appears_at_its_end(files: AzureBlobFiles, container: Container) -> None:
    seen: list[str] = []

    async def content() -> AsyncIterator[bytes]:
        yield b"a" * BLOCK_BYTES
        yield b"b" * BLOCK_BYTES + b"c"
        seen.extend([name for name in await blobs(container) if await files.get(id=name.partition("/")[2])])
        yield b"d"

    stored = await put(files, content())
    assert seen == []
    assert stored.size == 2 * BLOCK_BYTES + 2
    assert await files.get(id=stored.id) == b"a" * BLOCK_BYTES + b"b" * BLOCK_BYTES + b"cd"


@pytest.mark.parametrize("trouble", ["too large", "cut"])
async def test_a_stream_that_ends_badly_leaves_nothing(
    files: AzureBlobFiles, container: Container, trouble: str
) -> None:
    began: list[str] = []

    async def content() -> AsyncIterator[bytes]:
        yield b"x" * (BLOCK_BYTES + 1)
        began.extend(await blobs(container))
        if trouble == "cut":
            raise ConnectionError("cut")
        yield b"x" * LIMIT

    with pytest.raises(ConnectionError if trouble == "cut" else TooLarge):
        await put(files, content())
    assert len(began) == 1, "there was something to leave"
    assert await blobs(container) == []


async def test_a_name_that_no_header_holds_is_refused(files: AzureBlobFiles, container: Container) -> None:
    assert (await put(files, name="🙂" * 600)).name == "🙂" * 600
    with pytest.raises(TooLarge, match="name"):
        await put(files, name="🙂" * 700)
    assert len(await blobs(container)) == 1


# --- identity ---


@pytest.fixture(scope="module")
def secured(certificate: Certificate) -> Iterator[Azurite]:
    """An Azurite that asks for a token."""
    files = ("--cert", str(certificate.certificate), "--key", str(certificate.key))
    with emulator.serving("--oauth", "basic", *files) as running:
        yield running


async def test_it_is_reached_by_an_identity_which_needs_a_role(secured: Azurite, certificate: Certificate) -> None:
    trusted = str(certificate.certificate)
    container = await new_container(secured, connection_verify=trusted)

    def reached_by(identity: StaticCredential) -> AzureBlobFiles:
        return AzureBlobFiles(
            AzureBlobSettings.from_environ(
                {"PRAXOS_BLOB_ACCOUNT_URL": secured.url, "PRAXOS_BLOB_CONTAINER": container.name}
            ),
            identity=lambda: identity,
            limit=LIMIT,
            clock=ManualClock(),
            retry_policy=AT_ONCE,
            connection_verify=trusted,
        )

    identity, other = StaticCredential(emulator.token()), StaticCredential(emulator.token(audience="https://x.net"))
    files, refused = reached_by(identity), reached_by(other)
    stored = await put(files)
    assert await files.get(id=stored.id) == b"hello"
    with pytest.raises(Misconfigured, match="Storage Blob Data Contributor"):
        await put(refused)
    await files.close()
    await refused.close()
    assert identity.closed
    assert other.closed


# --- trouble ---


async def test_the_app_makes_no_container(azurite: Azurite) -> None:
    files = azure_blob(Container(azurite.connection_string, "not-there"), ManualClock(), limit=LIMIT)
    for call in (put, got, described):
        with pytest.raises(Misconfigured, match="PRAXOS_BLOB_CONTAINER.*'not-there'"):
            await call(files)
    await files.close()


class Front:
    """Stands before Azurite and answers each call itself so many times before it lets it through."""

    def __init__(
        self, target: str, *, fails: int = 1000, status: int = 503, retry_after: str = "", silent: bool = False
    ) -> None:
        self._target = target.rpartition("/")[0]
        self._fails = fails
        self._status = status
        self._silent = silent
        self._headers = {"Retry-After": retry_after} if retry_after else {}
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        call = f"{request.method} {request.path_qs}"
        self.asked.append(call)
        if self._silent:
            await asyncio.Event().wait()
        if self.asked.count(call) <= self._fails:
            return web.Response(status=self._status, headers=self._headers)
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            url = f"{self._target}{request.raw_path}"
            body = {"data": await request.read(), "skip_auto_headers": {"Content-Type"}}
            async with session.request(request.method, url, headers=headers, **body) as response:
                dropped = {"Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive"}
                passed = {name: value for name, value in response.headers.items() if name not in dropped}
                return web.Response(status=response.status, headers=passed, body=await response.read())


@asynccontextmanager
async def behind(front: Front, container: Container) -> AsyncIterator[AzureBlobFiles]:
    app = web.Application(client_max_size=LIMIT)
    app.router.add_route("*", "/{path:.*}", front.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    [address] = runner.addresses
    there = Container(
        container.connection_string.replace(front._target, f"http://127.0.0.1:{address[1]}"), container.name
    )
    files = azure_blob(there, ManualClock(), limit=LIMIT)
    yield files
    await files.close()
    await runner.cleanup()


async def test_a_call_is_tried_again_before_it_is_given_up(azurite: Azurite, container: Container) -> None:
    async with behind(Front(azurite.url, fails=2), container) as files:

        async def content() -> AsyncIterator[bytes]:
            yield b"x" * (BLOCK_BYTES + 1)

        stored = await put(files, content())
        assert await files.get(id=stored.id) == b"x" * (BLOCK_BYTES + 1)
    assert len(await blobs(container)) == 1


@pytest.mark.parametrize(("status", "tries"), [(429, 1), (500, 3), (503, 3)])
async def test_trouble_that_may_pass_is_said_after_a_bounded_number_of_tries(
    azurite: Azurite, container: Container, status: int, tries: int
) -> None:
    front = Front(azurite.url, status=status, retry_after="7")
    async with behind(front, container) as files:
        for call in (put, got, described):
            front.asked.clear()
            with pytest.raises(Transient, match=f"answered {status}") as caught:
                await call(files)
            assert caught.value.retry_after == 7
            assert len(front.asked) == tries
    assert await blobs(container) == []


async def test_a_service_that_is_away_is_trouble_that_may_pass() -> None:
    away = "AccountName=praxos;AccountKey=bm9ib2R5;BlobEndpoint=http://127.0.0.1:1/praxos"
    files = azure_blob(Container(away, "files"), ManualClock(), limit=LIMIT)
    for call in (put, got, described):
        with pytest.raises(Transient, match="Azure Blob Storage cannot be reached"):
            await call(files)
    await files.close()


async def test_a_call_ends_in_time(azurite: Azurite, container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "CALL_SECONDS", 0.05)
    async with behind(Front(azurite.url, silent=True), container) as files:
        with pytest.raises(Transient, match=r"did not answer within 0\.05 s"):
            await put(files)


# --- settings ---


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "PRAXOS_BLOB_ACCOUNT_URL is missing"),
        ({"PRAXOS_BLOB_ACCOUNT_URL": "http://a.blob.core.windows.net"}, "PRAXOS_BLOB_ACCOUNT_URL is wrong"),
        ({"PRAXOS_BLOB_ACCOUNT_URL": "https://a.blob.core.windows.net", "PRAXOS_BLOB_CONTAINER": "A"}, "CONTAINER"),
        (
            {"PRAXOS_BLOB_CONNECTION_STRING": "AccountName=a;AccountKey=hunter2;EndpointSuffix=core.windows.net"},
            "no keys of a storage account",
        ),
        (
            {"PRAXOS_BLOB_CONNECTION_STRING": "AccountKey=hunter2;BlobEndpoint=https://a.blob.core.windows.net"},
            "no keys of a storage account",
        ),
    ],
)
def test_settings_that_cannot_work_are_said(tmp_path: Path, environ: dict[str, str], said: str) -> None:
    with pytest.raises(SettingError, match=said) as caught:
        build(replace(parts(tmp_path), environ=environ))
    assert "hunter2" not in str(caught.value)

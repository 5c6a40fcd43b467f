"""The Files port, over every implementation."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from shared.files.local import ABANDONED, SWEEP_EVERY_SECONDS, LocalFiles, build
from shared.messages import SettingError, TooLarge, Transient
from shared.ports import Files, StoredFile
from tests.fakes.azure_blob import azure_blob, new_container
from tests.fakes.clock import ManualClock
from tests.fakes.tools import parts

LIMIT = 1_000_000
DAY = timedelta(days=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def local(path: Path, clock: ManualClock) -> Files:
    return LocalFiles(path / "files", limit=LIMIT, clock=clock)


@pytest.fixture(params=["local", "azure_blob"])
async def opened(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[Callable[[], Files]]:
    """Opens the files; a second call is a second client of the same ones."""
    open_one = partial(local, tmp_path, clock)
    if request.param == "azure_blob":
        container = await new_container(request.getfixturevalue("azurite"))
        open_one = partial(azure_blob, container, clock, limit=LIMIT)
    clients: list[Files] = []

    def another() -> Files:
        clients.append(open_one())
        return clients[-1]

    yield another
    for client in clients:
        await client.close()


@pytest.fixture
def files(opened: Callable[[], Files]) -> Files:
    return opened()


async def put(files: Files, content: bytes | AsyncIterator[bytes] = b"hello", *, keep: timedelta = DAY) -> StoredFile:
    return await files.put(owner="owner", name="a name.txt", media_type="text/plain", content=content, keep=keep)


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def test_what_is_put_is_there_for_every_client(files: Files, opened: Callable[[], Files]) -> None:
    stored = await put(files)
    assert (stored.name, stored.media_type, stored.size, stored.owner) == ("a name.txt", "text/plain", 5, "owner")
    other = opened()
    assert await other.describe(id=stored.id) == stored
    assert await other.get(id=stored.id) == b"hello"


async def test_a_stream_is_put_whole(files: Files) -> None:
    stored = await put(files, stream(b"a" * 300_000, b"", b"b" * 300_000, b"c"))
    assert stored.size == 600_001
    assert await files.get(id=stored.id) == b"a" * 300_000 + b"b" * 300_000 + b"c"


@pytest.mark.parametrize("content", [b"", bytes(range(256))])
async def test_any_bytes_are_kept(files: Files, content: bytes) -> None:
    for given in (content, stream(content), stream()):
        stored = await put(files, given)
        assert await files.get(id=stored.id) in (content, b"")
        assert (await files.get(id=(await put(files, content)).id)) == content


async def test_names_of_all_kinds_are_kept_and_lead_nowhere(files: Files) -> None:
    for name in ("../../etc/passwd", "grün 🙂.txt", "a\0b", "", "x" * 5000):
        stored = await files.put(owner="../x", name=name, media_type="text/plain", content=b"x", keep=DAY)
        assert await files.describe(id=stored.id) == stored
        assert (stored.name, stored.owner) == (name, "../x")


async def test_ids_cannot_be_guessed(files: Files) -> None:
    found = [(await put(files)).id for _ in range(20)]
    assert len(set(found)) == 20
    assert all(len(id) >= 22 for id in found)
    assert len({id[:6] for id in found}) == 20


@pytest.mark.parametrize(
    "id", ["", ".", "..", "../store.db", "a" * 32, "A" * 32, "0" * 33, "0" * 32 + "\n", "0" * 31 + "/", "a\0", "🙂"]
)
async def test_an_id_that_nobody_gave_finds_nothing(files: Files, id: str) -> None:
    await put(files)
    assert await files.describe(id=id) is None
    assert await files.get(id=id) is None


async def test_the_limit_holds_for_bytes_and_for_streams(files: Files) -> None:
    assert (await put(files, b"x" * LIMIT)).size == LIMIT
    with pytest.raises(TooLarge):
        await put(files, b"x" * (LIMIT + 1))
    read = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                read.append(100_000)
                yield b"x" * 100_000
        finally:
            read.append(-1)

    with pytest.raises(TooLarge):
        await put(files, endless())
    assert sum(read[:-1]) <= LIMIT + 100_000, "it was read no further than to the limit"
    assert read[-1] == -1, "what it came from was let go of"


async def test_an_expired_file_is_gone_at_once(files: Files, clock: ManualClock) -> None:
    short, long = await put(files, keep=timedelta(minutes=1)), await put(files)
    clock.pass_(seconds=59)
    assert await files.get(id=short.id) == b"hello"
    clock.pass_(seconds=1)
    assert await files.get(id=short.id) is None
    assert await files.describe(id=short.id) is None
    assert await files.get(id=long.id) == b"hello"


async def test_a_stream_that_breaks_leaves_nothing(files: Files) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 400_000
        raise ConnectionError("cut")

    with pytest.raises(ConnectionError):
        await put(files, broken())


async def test_many_at_once(files: Files) -> None:
    stored = await asyncio.gather(*(put(files, stream(b"%d" % number)) for number in range(50)))
    for number, each in enumerate(stored):
        assert await files.get(id=each.id) == b"%d" % number


class TestLocal:
    """What only files on a disk have."""

    async def test_they_are_for_their_owner_only(self, tmp_path: Path, clock: ManualClock) -> None:
        await put(local(tmp_path, clock))
        folder = tmp_path / "files"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        found = list(folder.iterdir())
        assert len(found) == 2
        assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}

    async def test_a_half_written_one_is_not_there(self, tmp_path: Path, clock: ManualClock) -> None:
        files = local(tmp_path, clock)
        reached, go_on = asyncio.Event(), asyncio.Event()

        async def halting() -> AsyncIterator[bytes]:
            yield b"x" * 300_000
            reached.set()
            await go_on.wait()

        writing = asyncio.create_task(put(files, halting()))
        await reached.wait()
        [partial] = (tmp_path / "files").iterdir()
        assert await files.get(id=partial.stem) is None
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert list((tmp_path / "files").iterdir()) == []

    async def test_content_without_a_description_is_not_there(self, tmp_path: Path, clock: ManualClock) -> None:
        files = local(tmp_path, clock)
        stored = await put(files)
        description = tmp_path / "files" / f"{stored.id}.json"
        description.write_bytes(description.read_bytes()[:20])
        assert await files.get(id=stored.id) is None
        description.unlink()
        assert await files.get(id=stored.id) is None

    async def test_a_damaged_pair_is_no_error(self, tmp_path: Path, clock: ManualClock) -> None:
        files = local(tmp_path, clock)
        stored = await put(files)
        (tmp_path / "files" / stored.id).unlink()
        assert await files.get(id=stored.id) is None

    async def test_what_expired_is_removed_in_passing(self, tmp_path: Path, clock: ManualClock) -> None:
        files = local(tmp_path, clock)
        await put(files, keep=timedelta(minutes=1))
        kept = await put(files, keep=timedelta(days=2))
        abandoned = tmp_path / "files" / f"{'0' * 32}.part"
        abandoned.touch()
        long_ago = clock.now().timestamp() - ABANDONED.total_seconds()
        os.utime(abandoned, (long_ago, long_ago))
        clock.pass_(seconds=SWEEP_EVERY_SECONDS)
        last = await put(files)
        left = {path.name for path in (tmp_path / "files").iterdir()}
        assert left == {kept.id, f"{kept.id}.json", last.id, f"{last.id}.json"}

    async def test_it_is_built_on_the_data_folder_with_the_limit_of_the_settings(self, tmp_path: Path) -> None:
        files = build(parts(tmp_path))
        assert (await put(files, b"x" * 2_000_000)).size == 2_000_000
        assert (tmp_path / "files").is_dir()

    async def test_a_folder_that_cannot_be_made_names_its_setting(self, tmp_path: Path, clock: ManualClock) -> None:
        (tmp_path / "files").write_text("in the way")
        with pytest.raises(SettingError, match="PRAXOS_HOME"):
            local(tmp_path, clock)

    async def test_a_disk_that_fails_is_trouble_that_may_pass(self, tmp_path: Path, clock: ManualClock) -> None:
        files = local(tmp_path, clock)
        (tmp_path / "files").rmdir()
        with pytest.raises(Transient, match="could not be written"):
            await put(files)

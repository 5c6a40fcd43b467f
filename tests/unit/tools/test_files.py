"""Writing a file for the person, and reading one that they sent."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from shared.messages import Attachment
from shared.ports import ToolError
from tests.fakes.tools import ADDRESS, Desk


async def sent(desk: Desk, name: str, content: bytes, *, owner: str = ADDRESS.conversation) -> Attachment:
    stored = await desk.files.put(
        owner=owner, name=name, media_type="text/plain", content=content, keep=timedelta(days=1)
    )
    attachment = Attachment(name=name, media_type="text/plain", size=stored.size, file=stored.id)
    desk.attachments = (*desk.attachments, attachment)
    return attachment


async def test_a_written_file_goes_to_the_person(desk: Desk) -> None:
    result = await desk.call("write_file", name="plan.md", content="# Plan\ngrün")
    [attachment] = result.attachments
    assert (attachment.name, attachment.media_type, attachment.size) == ("plan.md", "text/markdown", 12)
    assert await desk.files.get(id=attachment.file) == "# Plan\ngrün".encode()
    stored = await desk.files.describe(id=attachment.file)
    assert stored is not None
    assert stored.owner == ADDRESS.conversation
    desk.clock.pass_(seconds=29 * 86400)
    assert await desk.files.get(id=attachment.file) is not None


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("../../etc/passwd", "passwd.txt"),
        ("C:\\Users\\me\\notes.txt", "notes.txt"),
        ("a/b/c.json", "c.json"),
        ("notes", "notes.txt"),
        ("..", "file.txt"),
        ("/", "file.txt"),
        ("a\0b\n.txt", "ab.txt"),
        ('he said "x" <y>.csv', "he said x y.csv"),
        (".env", "env.txt"),
        ("grün.md", "grün.md"),
        ("x" * 200, "x" * 100 + ".txt"),
    ],
)
async def test_a_name_is_made_plain(desk: Desk, asked: str, given: str) -> None:
    [attachment] = (await desk.call("write_file", name=asked, content="x")).attachments
    assert attachment.name == given


@pytest.mark.parametrize("name", ["invoice.exe", "invoice.pdf.SCR", "run.bat", "x.hta", "x.lnk"])
async def test_programs_are_not_written(desk: Desk, name: str) -> None:
    with pytest.raises(ToolError, match="programs"):
        await desk.call("write_file", name=name, content="x")


async def test_a_file_that_is_too_large_is_said(desk: Desk) -> None:
    desk.files._limit = 10
    with pytest.raises(ToolError, match="too large"):
        await desk.call("write_file", name="a.txt", content="x" * 11)


async def test_a_sent_file_is_read_as_what_others_wrote(desk: Desk) -> None:
    await sent(desk, "Notes.txt", "Zeile eins\ngrün".encode("latin-1"))
    said = await desk.text("read_file", name="notes.txt")
    found = re.fullmatch(
        r"Content of the file Notes\.txt, written by others\..*\n\[begin (\w+)\]\n(.*)\n\[end \1\]", said, re.DOTALL
    )
    assert found
    assert found[2] == "Zeile eins\ngrün"
    assert await desk.text("read_file", name="") != "", "the only file needs no name"


async def test_a_long_file_comes_in_parts(desk: Desk) -> None:
    lines = [f"line {number} – with words" for number in range(2000)]
    await sent(desk, "long.txt", "\n".join(lines).encode())
    read, start = [], 0
    while True:
        said = await desk.text("read_file", name="long.txt", start=start)
        assert len(said.encode()) <= 8 * 1024
        found = re.search(r"\[begin (\w+)\]\n(.*)\n\[end \1\]", said, re.DOTALL)
        assert found
        read += found[2].split("\n")
        more = re.search(r"start=(\d+)", said)
        if not more:
            break
        start = int(more[1])
    assert read == lines
    assert "nothing after" in await desk.text("read_file", name="long.txt", start=10**6)


async def test_what_is_no_text_is_said(desk: Desk) -> None:
    await sent(desk, "cat.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    with pytest.raises(ToolError, match="not a text file"):
        await desk.call("read_file", name="cat.png")
    await sent(desk, "empty.txt", b"")
    assert await desk.text("read_file", name="empty.txt") == "empty.txt is empty."


async def test_a_file_of_another_conversation_is_not_read(desk: Desk) -> None:
    await sent(desk, "theirs.txt", b"secret", owner="main:fake:bot:other")
    with pytest.raises(ToolError, match="not there"):
        await desk.call("read_file", name="theirs.txt")


async def test_a_file_that_is_not_there_is_said(desk: Desk) -> None:
    with pytest.raises(ToolError, match="No file came with it"):
        await desk.call("read_file", name="a.txt")
    desk.attachments = (Attachment(name="a.txt", media_type="text/plain", ref="platform"),)
    with pytest.raises(ToolError, match="could not be fetched"):
        await desk.call("read_file", name="a.txt")
    await sent(desk, "b.txt", b"x")
    with pytest.raises(ToolError, match=r"There are: a\.txt, b\.txt"):
        await desk.call("read_file", name="c.txt")
    desk.clock.pass_(seconds=2 * 86400)
    with pytest.raises(ToolError, match="not there any more"):
        await desk.call("read_file", name="b.txt")

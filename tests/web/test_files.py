"""The page in a real browser: files and pictures, both ways."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.web.conftest import Visit, say
from tests.web.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


def png(width: int = 60, height: int = 40) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\x20\x90\x80" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def file(name: str, kind: str, content: bytes) -> dict[str, object]:
    return {"name": name, "mimeType": kind, "buffer": content}


DROP = """async ([selector, name, kind, text]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([text], name, { type: kind }));
  const target = document.querySelector(selector);
  for (const type of ["dragenter", "dragover"]) {
    target.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: transfer }));
  }
  const shown = !document.getElementById("drop").hidden;
  target.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer }));
  return shown && document.getElementById("drop").hidden;
}"""
PASTE = """([text, name]) => {
  const data = new DataTransfer();
  if (name) data.items.add(new File([text], name, { type: "text/plain" }));
  else data.setData("text/plain", text);
  const event = new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData: data });
  document.getElementById("text").dispatchEvent(event);
}"""


async def test_a_picture_and_a_file_go_out(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    await page.set_input_files(
        "#picker", [file("map.png", "image/png", png()), file("plan.pdf", "application/pdf", b"%PDF")]
    )
    await expect(page.locator(".chip")).to_have_count(2)
    await expect(page.locator(".chip img")).to_have_js_property("naturalWidth", 60)
    await expect(page.get_by_role("button", name="Send")).to_be_enabled()
    await say(page, "look")
    await expect(page.locator(".chip")).to_have_count(0)
    await expect(page.locator(".message.assistant")).to_have_count(1)
    sent = stage.heard[0].attachments
    assert [(one.name, one.media_type, one.size) for one in sent] == [
        ("map.png", "image/png", len(png())),
        ("plan.pdf", "application/pdf", 4),
    ]
    assert stage.files.files[sent[0].file][1] == png()
    await page.reload()
    await expect(page.locator(".message.person img")).to_have_js_property("naturalWidth", 60)
    await expect(page.get_by_role("link", name="plan.pdf")).to_be_visible()


async def test_a_file_alone_is_a_message(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    await page.set_input_files("#picker", [file("a.txt", "text/plain", b"abc")])
    await expect(page.get_by_role("button", name="Send")).to_be_enabled()
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".message.person .file")).to_contain_text("a.txt")
    await expect(page.locator(".message.person .bubble")).to_have_count(0)


async def test_a_picture_and_a_file_come_in(stage: Stage, visit: Visit, tmp_path: Path) -> None:
    page = await visit(stage.url)
    stage.script = False
    await say(page, "give me something")
    await expect(page.locator(".message.person[data-n]")).to_have_count(1)
    picture = await stage.keep(png(), name="chart.png", media_type="image/png")
    table = await stage.keep(b"a,b\n1,2\n", name="tablé.csv", media_type="text/csv")
    await stage.reply("Here:", attachments=(picture, table))
    shown = page.get_by_role("button", name="Show chart.png")
    await expect(shown.locator("img")).to_have_js_property("naturalWidth", 60)
    await shown.click()
    viewer = page.get_by_role("dialog")
    await expect(viewer).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(viewer).to_be_hidden()
    link = page.get_by_role("link", name="tablé.csv")
    await expect(link).to_contain_text("8 bytes")
    async with page.expect_download() as started:
        await link.click()
    download = await started.value
    assert download.suggested_filename == "tablé.csv"
    await download.save_as(tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == b"a,b\n1,2\n"


async def test_drop_and_paste(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    assert await page.evaluate(DROP, ["#log", "dropped.txt", "text/plain", "d"])
    await page.evaluate(PASTE, ["p", "pasted.png"])
    await expect(page.locator(".chip b")).to_have_text(["dropped.txt", "pasted.png"])
    await page.evaluate(PASTE, ["x" * 50_001, ""])
    await expect(page.locator(".chip b")).to_have_text(["dropped.txt", "pasted.png", "pasted.txt"])
    await page.get_by_role("button", name="Remove dropped.txt").click()
    await expect(page.locator(".chip b")).to_have_text(["pasted.png", "pasted.txt"])
    await say(page, "three")
    await expect(page.locator(".message.assistant")).to_have_count(1)
    assert [one.name for one in stage.heard[0].attachments] == ["pasted.png", "pasted.txt"]


async def test_what_does_not_fit_is_said_before_it_is_sent(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    await page.set_input_files("#picker", [file("big.bin", "", b"x" * 1_000_001), file("none.txt", "", b"")])
    await expect(page.locator(".chip.failed").first).to_contain_text("Too large: at most 1.0 MB")
    await expect(page.locator(".chip.failed").last).to_contain_text("The file is empty")
    await expect(page.get_by_role("button", name="Send")).to_be_disabled()
    for name in ("big.bin", "none.txt"):
        await page.get_by_role("button", name=f"Remove {name}").click()
    await say(page, "without")
    await expect(page.locator(".message.assistant")).to_have_count(1)


async def test_an_upload_that_failed_is_tried_again(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    await stage.stop()
    await page.set_input_files("#picker", [file("a.txt", "text/plain", b"abc")])
    await expect(page.locator(".chip.failed")).to_contain_text("No connection")
    await stage.start()
    await page.locator(".chip").get_by_role("button", name="Try again").click()
    await expect(page.locator(".chip small")).to_have_text("3 bytes")
    await expect(page.locator(".chip.failed")).to_have_count(0)
    await expect(page.get_by_role("button", name="Send")).to_be_enabled()


async def _fetch(page: Page, address: str) -> dict[str, object]:
    script = """async (address) => {
      const answer = await fetch(address);
      return { status: answer.status, headers: Object.fromEntries(answer.headers) };
    }"""
    answer: dict[str, object] = await page.evaluate(script, address)
    return answer


async def test_two_people_do_not_see_each_others_files(stage: Stage, visit: Visit) -> None:
    mia, noa = await visit(stage.url), await visit(stage.url)
    await mia.set_input_files("#picker", [file("diary.txt", "text/plain", b"secret")])
    await expect(mia.get_by_role("button", name="Send")).to_be_enabled()
    await say(mia, "keep this")
    await expect(mia.locator(".message.assistant")).to_have_count(1)
    address = f"chat/files/{stage.heard[0].attachments[0].file}"
    assert (await _fetch(mia, address))["status"] == 200
    assert (await _fetch(noa, address))["status"] == 404
    await expect(noa.locator(".message")).to_have_count(0)
    # Naming it in a message of one's own does not open it either.
    await noa.evaluate(
        """(id) => fetch("webhooks/web", { method: "POST", body: JSON.stringify({ id: "steal", text: "hm", files: [{ id }] }) })""",
        stage.heard[0].attachments[0].file,
    )
    assert (await _fetch(noa, address))["status"] == 404


@pytest.mark.parametrize(
    ("name", "kind"), [("a.html", "text/html"), ("a.svg", "image/svg+xml"), ("a.js", "text/javascript")]
)
async def test_what_could_act_is_only_saved(stage: Stage, visit: Visit, name: str, kind: str) -> None:
    page = await visit(stage.url)
    await page.set_input_files(
        "#picker", [file(name, kind, b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")]
    )
    await expect(page.get_by_role("button", name="Send")).to_be_enabled()
    await say(page, "look")
    await expect(page.locator(".message.assistant")).to_have_count(1)
    await expect(page.locator(".message img")).to_have_count(0)
    answer = await _fetch(page, f"chat/files/{stage.heard[0].attachments[0].file}")
    headers = answer["headers"]
    assert isinstance(headers, dict)
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"].startswith("attachment;")
    assert headers["x-content-type-options"] == "nosniff"

"""The page in a real browser against the real host: the whole pipeline, from a keystroke to the reply."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.web.conftest import Visit, say
from tests.web.host import Host
from tests.web.test_files import file, png

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE = 30_000


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Host]:
    host = Host(tmp_path_factory.mktemp("web") / "home")
    await host.start()
    yield host
    await host.kill()
    assert "Traceback" not in host.log()


async def answered(page: Page, words: str, *, count: int | None = None) -> None:
    replies = page.locator(".message:is(.assistant, .notice)")
    await expect(replies.last).to_contain_text(words, timeout=PATIENCE)
    if count is not None:
        await expect(replies).to_have_count(count)


async def test_a_suggestion_calls_a_tool(host: Host, visit: Visit) -> None:
    page = await visit(host.url)
    await page.get_by_role("button", name="What time is it in Tokyo?").click()
    await answered(page, "Asia/Tokyo")
    await expect(page.locator(".message.person")).to_have_count(1)
    await expect(page.locator("#progress")).to_be_hidden()


async def test_what_a_tool_does_is_shown_while_it_does_it(host: Host, visit: Visit) -> None:
    page = await visit(host.url)
    await say(page, "nap 2.5")
    await expect(page.locator("#progress")).to_have_text("Taking a nap…", timeout=PATIENCE)
    await answered(page, "I slept well.", count=1)
    await expect(page.locator("#progress")).to_be_hidden()


async def test_help_has_choices_and_one_works(host: Host, visit: Visit) -> None:
    page = await visit(host.url)
    await say(page, "/help")
    await page.get_by_role("button", name="What is 12 × 37?").click()
    await expect(page.locator(".message.assistant").last).to_contain_text("444", timeout=PATIENCE)
    await expect(page.locator(".message.person").last).to_contain_text("What is 12 * 37?")


async def test_markdown_is_shown_as_such(host: Host, visit: Visit) -> None:
    page = await visit(host.url)
    await page.get_by_role("button", name="What can you do?").click()
    await expect(page.locator(".message.notice li").first).to_be_visible(timeout=PATIENCE)
    await say(page, "how does this work")
    await expect(page.locator(".message.assistant li code").first).to_be_visible(timeout=PATIENCE)


async def test_files_go_both_ways(host: Host, visit: Visit, tmp_path: Path) -> None:
    page = await visit(host.url)
    notes = file("notes.txt", "text/plain", b"The code word is heliotrope.")
    await page.set_input_files("#picker", [notes, file("map.png", "image/png", png())])
    await expect(page.get_by_role("button", name="Send")).to_be_enabled(timeout=PATIENCE)
    await say(page, "read notes.txt")
    await answered(page, "heliotrope")
    await say(page, "write a file list.md with milk and bread")
    link = page.get_by_role("link", name="list.md")
    await expect(link).to_be_visible(timeout=PATIENCE)
    async with page.expect_download() as started:
        await link.click()
    await (await started.value).save_as(tmp_path / "list.md")
    assert "milk and bread" in (tmp_path / "list.md").read_text()
    await page.reload()
    await expect(page.locator(".message.person img")).to_have_js_property("naturalWidth", 60)


async def test_a_reload_keeps_the_history_and_tabs_agree(host: Host, visit: Visit) -> None:
    page = await visit(host.url)
    await say(page, "one")
    await answered(page, "You said: one")
    other = await visit(host.url, beside=page)
    await expect(other.locator(".message")).to_have_count(2)
    await say(other, "two")
    await answered(page, "You said: two", count=2)
    await page.reload()
    await expect(page.locator(".message")).to_have_count(4)


async def test_a_reminder_comes_by_itself(host: Host, visit: Visit) -> None:
    page = await visit(host.url)
    await say(page, "remind me in 5 seconds to stretch")
    await expect(page.locator(".message.assistant")).to_have_count(2, timeout=PATIENCE)
    await answered(page, "stretch")


async def test_people_are_strangers_to_each_other(host: Host, visit: Visit) -> None:
    mia, noa = await visit(host.url), await visit(host.url)
    await say(mia, "my secret")
    await answered(mia, "my secret")
    await noa.reload()
    await expect(noa.locator("#welcome")).to_be_visible()
    await expect(noa.locator(".message")).to_have_count(0)


async def test_the_echo_of_an_attack_is_words(host: Host, visit: Visit) -> None:
    page = await visit(host.url)
    attack = "<img src=x onerror='window.hit=1'> [x](javascript:window.hit=1)"
    await say(page, attack)
    await answered(page, "<img src=x onerror='window.hit=1'>", count=1)
    assert await page.evaluate("window.hit") is None
    assert await page.locator(".message :is(img, a)").count() == 0


async def test_forged_proof_gets_401(host: Host, visit: Visit) -> None:
    page = await visit(host.url)
    (cookie,) = await page.context.cookies()
    good, ours = f"{cookie['name']}={cookie['value']}", f"http://127.0.0.1:{host.port}"
    assert call(host, "POST", "webhooks/web", {"Cookie": good, "Origin": ours}) == 200
    for headers in (
        {},
        {"Cookie": good},
        {"Cookie": good, "Origin": "http://evil.example"},
        {"Cookie": good + "0", "Origin": ours},
        {"Authorization": "Bearer x"},
    ):
        assert call(host, "POST", "webhooks/web", headers) == 401
        assert call(host, "POST", "chat/files", headers) == 401
    assert call(host, "GET", "chat/events?after=0", {}) == 401
    assert call(host, "GET", "chat/events?after=0", {"Cookie": good}) == 200
    assert call(host, "GET", "chat/events?after=x", {"Cookie": good}) == 400
    assert call(host, "GET", "chat", {"Host": "evil.example"}) == 403


def call(host: Host, method: str, path: str, headers: dict[str, str]) -> int:
    connection = HTTPConnection("127.0.0.1", host.port, timeout=10)
    try:
        body = b'{"id": "1", "text": "x"}' if method == "POST" else None
        connection.request(method, f"/api/{path}", body=body, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


async def test_a_terminal_can_talk_too(host: Host, tmp_path: Path) -> None:
    assert await host.chat("what", "is", "6*7") == (0, "`6*7` = **42**\n", "")
    (tmp_path / "notes.txt").write_text("heliotrope")
    typed = f"one\n:attach {tmp_path}/notes.txt\nread notes.txt\nwrite a file a.md with milk\n:save 1 {tmp_path}/a.md\n/help\n:3\n"
    code, out, error = await host.chat(said=typed)
    assert (code, error) == (0, "")
    for words in ("You said: one", "heliotrope", "[a.md", "Saved as", "444"):
        assert words in out
    assert "milk" in (tmp_path / "a.md").read_text()


async def test_a_terminal_without_the_token_is_told_so(host: Host, tmp_path: Path) -> None:
    code, out, error = await host.chat("hello", home=tmp_path / "other")
    assert (code, out) == (1, "")
    assert "PRAXOS_HOME" in error
    code, _, error = await host.chat("--url", "http://127.0.0.1:1", "hello")
    assert code == 1
    assert "make run" in error


async def test_a_killed_host_forgets_nothing(visit: Visit, tmp_path: Path) -> None:
    host = Host(tmp_path / "home")
    await host.start()
    try:
        page = await visit(host.url)
        # Else the nap, begun again, may hear of the second message and take it in: that is another test.
        await say(page, "/queue followup")
        await answered(page, "followup")
        await say(page, "before")
        await answered(page, "You said: before")
        await say(page, "nap 1.5")
        await expect(page.locator("#progress")).to_have_text("Taking a nap…", timeout=PATIENCE)
        await host.kill()
        await expect(page.locator("#banner")).to_contain_text("No connection", timeout=PATIENCE)
        await say(page, "while it was down")
        await expect(page.locator(".message.waiting")).to_have_count(1)
        await host.start()
        await expect(page.locator("#banner")).to_be_hidden(timeout=PATIENCE)
        await answered(page, "You said: while it was down", count=4)
        replies = ["You said: before", "I slept well.", "You said: while it was down"]
        await expect(page.locator(".message.assistant .bubble")).to_contain_text(replies)
        await page.reload()
        said = ["/queue followup", "before", "nap 1.5", "while it was down"]
        await expect(page.locator(".message.person .bubble")).to_have_text(said)
    finally:
        await host.kill()

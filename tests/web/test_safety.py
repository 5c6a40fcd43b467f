"""The page in a real browser: what is said cannot act, and nobody else can speak for its reader."""

from __future__ import annotations

import asyncio
from http.client import HTTPConnection

import pytest
from playwright.async_api import Page, expect

from shared.channels.web.adapter import SESSION_KEY, TERMINAL_TOKEN
from shared.channels.web.session import Sessions
from shared.messages import Button
from tests.web.conftest import Visit, say
from tests.web.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

ATTACKS = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    "[click](javascript:window.hit=1)",
    "<a href='javascript:window.hit=1'>click</a>",
    "![x](x' onerror='window.hit=1)",
    'https://example.org/"onmouseover="window.hit=1',
    '```"><script>window.hit = 1</script>\nx\n```',
    "<iframe srcdoc='<script>parent.hit = 1</script>'></iframe>",
    "<style>body { display: none }</style>",
]


async def untouched(page: Page) -> None:
    assert await page.evaluate("window.hit") is None
    assert await page.locator("#log :is(script, iframe, style, object, embed, form)").count() == 0
    for link in await page.locator("#log a[href]").all():
        assert (await link.get_attribute("href") or "").startswith(("https://", "chat/files/"))


@pytest.mark.parametrize("attack", ATTACKS)
async def test_words_do_not_act(stage: Stage, visit: Visit, attack: str) -> None:
    page = await visit(stage.url)
    await say(page, attack)
    await expect(page.locator(".message.person .bubble")).to_have_text(attack)
    await expect(page.locator(".message.assistant")).to_have_count(1)
    for target in await page.locator("#log a, #log span").all():
        await target.dispatch_event("mouseover")
    await untouched(page)


async def test_names_and_labels_do_not_act(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    stage.script = False
    evil = "<img src=x onerror='window.hit=1'>.png"
    await page.set_input_files("#picker", {"name": evil, "mimeType": "text/plain", "buffer": b"x"})
    await expect(page.locator(".chip b")).to_have_text(evil)
    # Until it is uploaded, Enter sends nothing.
    await expect(page.locator("#send")).to_be_enabled()
    await say(page, "x")
    await expect(page.locator(".message.person[data-n]")).to_have_count(1)
    picture = await stage.keep(b"not a picture", name=evil, media_type="image/png")
    await stage.progress(evil)
    await stage.reply("x", attachments=(picture,), buttons=((Button(label=evil, value="v"),),))
    await expect(page.locator(".choice")).to_have_text(evil)
    await expect(page.locator(".message.assistant .file b")).to_have_text(evil)
    await untouched(page)


async def test_html_that_should_not_be_there_is_dropped_by_the_page_too(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url, complain=False)  # the browser's own policy objects first, and says so
    stage.channel.render = lambda *, message: ({"text": "x", "html": message.text},)  # type: ignore[method-assign]  # a renderer with a hole
    stage.script = False
    await say(page, "x")
    await expect(page.locator(".message.person[data-n]")).to_have_count(1)
    await stage.reply(
        "<p onclick='window.hit=1'>hi</p><a href='javascript:window.hit=1'>l</a>" + ATTACKS[1] + ATTACKS[7]
    )
    await expect(page.locator(".message.assistant p")).to_have_text("hi")
    await page.locator(".message.assistant p").click()
    await untouched(page)


async def test_a_link_from_another_site_keeps_the_conversation(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    await say(page, "hello")
    await expect(page.locator(".message.assistant")).to_have_count(1)
    elsewhere = await page.context.new_page()
    # To a browser localhost is another site than 127.0.0.1: a strict cookie does not come along.
    await elsewhere.goto(f"http://localhost:{stage.port}/elsewhere")
    await elsewhere.get_by_role("link").click()
    await expect(elsewhere.locator(".message")).to_have_count(2)
    await page.reload()
    await expect(page.locator(".message")).to_have_count(2)


async def test_another_sites_page_cannot_speak_for_the_reader(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    elsewhere = await page.context.new_page()
    await elsewhere.goto(f"http://localhost:{stage.port}/elsewhere")
    for credentials in ("include", "omit"):
        await elsewhere.evaluate(
            """([url, credentials]) => fetch(url.replace("chat", "webhooks/web"), {
                 method: "POST", mode: "no-cors", credentials, body: '{"id": "evil", "text": "evil"}' })""",
            [stage.url, credentials],
        )
    with pytest.raises(Exception, match="Failed to fetch"):
        await elsewhere.evaluate("(url) => fetch(url + '/events', { credentials: 'include' })", stage.url)
    assert stage.posts == 2
    assert stage.heard == []


async def test_the_page_cannot_be_framed(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    elsewhere = await page.context.new_page()
    await elsewhere.goto(f"http://127.0.0.1:{stage.port}/elsewhere")
    await elsewhere.evaluate(
        "(url) => document.body.append(Object.assign(document.createElement('iframe'), { src: url }))", stage.url
    )
    frame = elsewhere.frame_locator("iframe")
    await expect(elsewhere.locator("iframe")).to_have_count(1)
    await expect(frame.locator("#text")).to_have_count(0)


async def test_forged_proof_gets_401_and_is_not_heard(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    (cookie,) = await page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    good = f"{cookie['name']}={cookie['value']}"
    ours = f"http://127.0.0.1:{stage.port}"
    token = stage.secrets.values[TERMINAL_TOKEN]
    sessions = Sessions(key="another key, as long as the right one")
    forged = [
        {},
        {"Origin": ours},
        {"Cookie": good},
        {"Cookie": good, "Origin": "http://evil.example"},
        {"Cookie": good, "Origin": "null"},
        {"Cookie": good + "0", "Origin": ours},
        {"Cookie": f"{cookie['name']}={sessions.issue()}", "Origin": ours},
        {"Authorization": f"Bearer {token}x"},
        {"Authorization": "Bearer " + stage.secrets.values[SESSION_KEY]},
        {"X-MS-CLIENT-PRINCIPAL-ID": "1", "Origin": ours},
    ]
    for headers in forged:
        for path in ("webhooks/web", "chat/files"):
            assert await asyncio.to_thread(post, stage.port, path, headers) == 401, headers
    assert stage.heard == []
    assert stage.files.files == {}
    for headers in ({"Cookie": good, "Origin": ours}, {"Authorization": f"Bearer {token}"}):
        assert await asyncio.to_thread(post, stage.port, "webhooks/web", headers) == 200, headers
    assert len(stage.heard) == 2


def post(port: int, path: str, headers: dict[str, str]) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", f"/api/{path}", body=b'{"id": "1", "text": "x"}', headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()

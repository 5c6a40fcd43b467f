"""The page in a real browser: the server is away, slow or says no, and nothing is lost."""

from __future__ import annotations

import pytest
from playwright.async_api import Route, expect

from tests.web.conftest import Visit, say
from tests.web.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

PENDING = "Not sent yet: it goes out when the connection is back."


async def test_a_message_said_while_the_server_is_down_goes_out_later(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    await say(page, "before")
    await expect(page.locator(".message.assistant")).to_have_count(1)
    await stage.stop()
    await expect(page.locator("#banner")).to_contain_text("No connection")
    await say(page, "while it was down")
    await say(page, "and another")
    await expect(page.locator(".message.person").nth(1)).to_contain_text(PENDING)
    await stage.start()
    await expect(page.locator("#banner")).to_be_hidden(timeout=20_000)
    await expect(page.locator(".message.assistant")).to_have_count(3)
    assert [event.text for event in stage.heard] == ["before", "while it was down", "and another"]
    await expect(page.locator(".message.waiting")).to_have_count(0)


async def test_what_was_not_sent_survives_a_reload(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    stage.refuse = 503
    await say(page, "keep me")
    await expect(page.locator(".message.person")).to_contain_text(PENDING)
    await page.reload()
    await expect(page.locator(".message.person")).to_contain_text("keep me")
    stage.refuse = 0
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator(".message.assistant")).to_have_count(1)
    await page.reload()
    await expect(page.locator(".message")).to_have_count(2)
    assert len(stage.heard) == 1


async def test_a_refusal_is_told_and_can_be_tried_again_with_the_same_id(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    tried: list[str] = []
    page.on("request", lambda sent: tried.append(sent.post_data_json["id"]) if sent.method == "POST" else None)
    stage.refuse = 400
    await say(page, "hello")
    message = page.locator(".message.person")
    await expect(message).to_contain_text("Not sent. not now")
    await expect(page.locator("#announcer")).to_contain_text("Your message was not sent")
    stage.refuse = 0
    await message.get_by_role("button", name="Try again").click()
    await expect(page.locator(".message.assistant")).to_have_count(1)
    assert len(tried) == 2
    assert len(set(tried)) == 1


async def test_a_refused_message_can_be_removed(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    stage.refuse = 400
    await say(page, "hello")
    await page.get_by_role("button", name="Remove").click()
    await expect(page.locator(".message")).to_have_count(0)
    await page.reload()
    await expect(page.locator("#welcome")).to_be_visible()


async def test_a_lost_answer_makes_no_second_message(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    lost = 0

    async def lose_first(route: Route) -> None:
        nonlocal lost
        lost += 1
        if lost == 1:
            await route.fetch()  # the server takes it, the page never hears so
            await route.abort()
        else:
            await route.continue_()

    await page.route("**/webhooks/web", lose_first)
    await say(page, "once")
    await expect(page.locator(".message.assistant")).to_have_count(1)
    await expect(page.locator(".message.person")).to_have_count(1)
    assert len(stage.heard) == 1


async def test_a_session_that_is_over_says_so(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    await page.context.clear_cookies()
    banner = page.locator("#banner")
    await expect(banner).to_contain_text("You are not signed in any more.")
    await banner.get_by_role("button", name="Load the page again").click()
    await page.locator("#log:not([aria-busy])").wait_for(state="attached")
    await say(page, "back again")
    await expect(page.locator(".message.assistant")).to_have_count(1)


async def test_it_polls_gently_and_comes_back_at_once(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    polls: list[float] = []
    page.on("request", lambda sent: polls.append(stage.clock.monotonic()) if "/events" in sent.url else None)
    while len(polls) < 3:
        await page.wait_for_event("request")
    assert polls[2] - polls[1] > 1.5
    await say(page, "slow 2000")
    await expect(page.locator("#progress")).to_be_visible()
    polls.clear()
    while len(polls) < 3:
        await page.wait_for_event("request")
    assert polls[2] - polls[0] < 1.5

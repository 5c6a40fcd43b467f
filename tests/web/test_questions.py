"""Questions on the page, against the real host: approved after a kill on the old page, chosen, and answered in words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.fakes.webhook_receiver import WebhookReceiver, receiving
from tests.web.conftest import Visit, say
from tests.web.host import Host

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with receiving() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def host(tmp_path_factory: pytest.TempPathFactory, receiver: WebhookReceiver) -> AsyncIterator[Host]:
    host = Host(
        tmp_path_factory.mktemp("web") / "home",
        PRAXOS_WEBHOOKS=receiver.url,
        PRAXOS_TOOLS_ASK="post_webhook",
    )
    await host.start()
    yield host
    await host.kill()
    assert "Traceback" not in host.log()


def latest(page: Page) -> Locator:
    return page.locator(".message:is(.assistant, .notice)").last


async def test_an_old_page_approves_after_a_kill_and_a_stale_copy_is_told(
    host: Host, visit: Visit, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    page = await visit(host.url)
    await say(page, f'post "good news" to {receiver.url}')
    await expect(page.get_by_role("button", name="Approve")).to_be_visible()
    await expect(page.locator(".message.assistant").last).to_contain_text("good news")
    stale = await visit(host.url, beside=page)
    await expect(stale.get_by_role("button", name="Approve")).to_be_visible()
    await stale.context.route(
        lambda url: "events" in url,
        lambda route: route.abort() if route.request.frame.page == stale else route.fallback(),
    )
    await host.kill()
    assert receiver.requests == []
    await host.start()

    await page.get_by_role("button", name="Approve").click()

    await expect(page.locator(".message.notice")).to_contain_text(["Approved"])
    await expect(page.locator(".message.assistant").last).to_contain_text("took it with status 200")
    assert [one.text for one in receiver.requests] == ["good news"]
    await stale.get_by_role("button", name="Refuse").click()
    await expect(page.locator(".message.notice").last).to_contain_text("You already answered that")
    assert len(receiver.requests) == 1


async def test_what_was_refused_is_not_done(host: Host, visit: Visit) -> None:
    page = await visit(host.url)
    await say(page, "remember that my cat is called Tom")
    await expect(latest(page)).to_contain_text("Tom")
    await say(page, "forget everything")
    await page.get_by_role("button", name="Refuse").click()
    await expect(page.locator(".message.assistant").last).to_contain_text("I did not do that")
    await say(page, "forget everything")
    await expect(page.get_by_role("button", name="Approve")).to_have_count(2)
    await page.get_by_role("button", name="Approve").last.click()
    await expect(page.locator(".message.assistant").last).to_contain_text("Everything is forgotten: 1 thing.")


async def test_a_choice_is_made_with_a_button_and_words_are_an_answer_too(host: Host, visit: Visit) -> None:
    page = await visit(host.url)
    await say(page, "ask me which colour: red, blue")
    await page.get_by_role("button", name="blue").click()
    await expect(page.locator(".message.assistant").last).to_contain_text("You answered: blue")
    await say(page, "ask me what it is called")
    await expect(latest(page)).to_contain_text("Just write your answer here.")
    await say(page, "a heliotrope")
    await expect(page.locator(".message.assistant").last).to_contain_text("You answered: a heliotrope")

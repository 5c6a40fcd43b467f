"""The page in a real browser: saying something, and what comes back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from shared.conversation.outbox_records import PageRole
from shared.messages import Button
from tests.web.conftest import Visit, say
from tests.web.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_suggestion_is_the_first_message(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    await expect(page.get_by_role("heading", name="How can I help?")).to_be_visible()
    await page.get_by_role("button", name="What time is it in Tokyo?").click()
    await expect(page.locator(".message.assistant")).to_contain_text("You said: What time is it in Tokyo?")
    await expect(page.locator("#welcome")).to_be_hidden()
    await expect(page.get_by_label("Message", exact=True)).to_be_focused()


async def test_a_message_is_shown_at_once_and_once(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    await say(page, "hello")
    await expect(page.locator(".message.person")).to_have_count(1, timeout=400)
    await expect(page.locator(".message.assistant")).to_have_count(1)
    await expect(page.locator(".message.person[data-n]")).to_have_count(1)
    await expect(page.get_by_label("Message", exact=True)).to_have_value("")


async def test_shift_enter_starts_a_line(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    box = page.get_by_label("Message", exact=True)
    low = (await box.bounding_box() or {})["height"]
    await box.press_sequentially("one")
    await page.keyboard.press("Shift+Enter")
    await box.press_sequentially("two")
    assert (await box.bounding_box() or {})["height"] > low
    await page.keyboard.press("Enter")
    await expect(page.locator(".message.person .bubble")).to_have_text("one\ntwo")
    assert stage.heard[0].text == "one\ntwo"


async def test_nothing_is_not_sent(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    await expect(page.get_by_role("button", name="Send")).to_be_disabled()
    await say(page, "  \n ")
    assert stage.posts == 0


async def test_messages_keep_their_order(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    for number in range(6):
        await say(page, f"m{number}")
    await expect(page.locator(".message.assistant")).to_have_count(6)
    assert [event.text for event in stage.heard] == [f"m{number}" for number in range(6)]
    numbers = await page.locator(".message").evaluate_all("nodes => nodes.map((node) => Number(node.dataset.n))")
    assert numbers == sorted(numbers)


async def test_progress_is_shown_while_it_works(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    await say(page, "slow 1500")
    line = page.locator("#progress")
    await expect(line).to_have_text("Reading a web page…")
    await expect(line).to_have_role("status")
    await expect(page.locator(".message.assistant")).to_have_count(1)
    await expect(line).to_be_hidden()


async def test_markdown(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    stage.script = False
    await say(page, "show me")
    await expect(page.locator(".message.person[data-n]")).to_have_count(1)
    await stage.reply(
        "**bold** https://example.org/a?b=1.\n\n```py\nx = 1\n```\n\n|a|b|\n|-|-:|\n|1|2|\n\n- [one](https://example.org)"
    )
    bubble = page.locator(".message.assistant .markdown")
    await expect(bubble.locator("strong")).to_have_text("bold")
    await expect(bubble.locator("th")).to_have_text(["a", "b"])
    links = bubble.get_by_role("link")
    await expect(links).to_have_count(2)
    for number in range(2):
        await expect(links.nth(number)).to_have_attribute("rel", "noopener noreferrer")
        await expect(links.nth(number)).to_have_attribute("target", "_blank")
    await expect(links.first).to_have_attribute("href", "https://example.org/a?b=1")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await bubble.get_by_role("button", name="Copy").click()
    await expect(bubble.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == "x = 1\n"


async def test_a_choice_is_pressed_once(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    stage.script = False
    await say(page, "ask me")
    await expect(page.locator(".message.person[data-n]")).to_have_count(1)
    yes, words = Button(label="Yes", value="answer:1"), Button(label="In Tokyo", value="say:What time is it in Tokyo?")
    await stage.reply("Shall I?", buttons=((yes, words),))
    await page.get_by_role("button", name="Yes").click()
    await expect(page.get_by_role("button", name="In Tokyo")).to_be_disabled()
    await expect(page.locator(".message.person[data-n]")).to_have_count(2)
    await expect(page.locator(".message.person").last).to_contain_text("Yes")
    assert stage.heard[-1].button == "answer:1"


async def test_a_choice_that_stands_for_words_shows_them(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    stage.script = False
    await say(page, "ask me")
    await expect(page.locator(".message.person[data-n]")).to_have_count(1)
    await stage.reply("And?", buttons=((Button(label="Tokyo", value="say:What time is it in Tokyo?"),),))
    await page.get_by_role("button", name="Tokyo").click()
    await expect(page.locator(".message.person[data-n]")).to_have_count(2)
    await expect(page.locator(".message.person").last).to_contain_text("What time is it in Tokyo?")
    assert stage.heard[-1].button == "say:What time is it in Tokyo?"


async def test_history_is_there_after_a_reload_and_in_another_tab(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    await say(page, "remember this")
    await expect(page.locator(".message.assistant")).to_have_count(1)
    await page.reload()
    await expect(page.locator(".message")).to_have_count(2)
    await expect(page.locator("#welcome")).to_be_hidden()
    other = await visit(stage.url, beside=page)
    await expect(other.locator(".message")).to_have_count(2)
    await say(other, "from the other tab")
    await expect(page.locator(".message")).to_have_count(4)
    await expect(page.locator(".message.person").last).to_contain_text("from the other tab")


async def test_a_long_history_comes_in_pages(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    await say(page, "first")
    await expect(page.locator(".message.assistant")).to_have_count(1)
    for number in range(118):
        await stage.reply(f"line {number}", at=datetime.now(UTC) - timedelta(hours=1))
    await expect(page.locator(".message")).to_have_count(120, timeout=20_000)
    await page.reload()
    await expect(page.locator(".message")).to_have_count(100)
    await expect(page.locator(".message").last).to_be_in_viewport()
    await page.get_by_role("button", name="Show earlier messages").click()
    await expect(page.locator(".message")).to_have_count(120)
    await expect(page.locator(".message").first).to_contain_text("first")
    await expect(page.get_by_role("button", name="Show earlier messages")).to_be_hidden()
    numbers = await page.locator(".message").evaluate_all("nodes => nodes.map((node) => Number(node.dataset.n))")
    assert numbers == list(range(1, 121))


async def test_days_are_told_apart(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    stage.script = False
    await say(page, "now")
    await expect(page.locator(".message.person[data-n]")).to_have_count(1)
    noon = datetime.now(UTC).replace(hour=12)
    for days in (400, 1, 1):
        await stage.reply("then", at=noon - timedelta(days=days))
    await expect(page.locator(".day")).to_have_count(3)
    names = await page.locator(".day").all_inner_texts()
    assert names[0] == "Today"
    assert names[2] == "Yesterday"


async def test_what_is_new_does_not_disturb_reading(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    await say(page, "go")
    await expect(page.locator(".message.assistant")).to_have_count(1)
    for number in range(25):
        await stage.reply(f"line {number}")
    await expect(page.locator(".message.assistant")).to_have_count(26)
    await expect(page.locator(".message").last).to_be_in_viewport()
    await page.locator("#scroller").evaluate("node => node.scrollTo(0, 0)")
    jump = page.locator("#jump")
    await expect(jump).to_have_text("Newest messages")
    await stage.reply("news")
    await expect(jump).to_have_text("1 new message")
    await expect(page).to_have_title("(1) Praxos")
    await expect(page.locator(".message").last).not_to_be_in_viewport()
    await jump.click()
    await expect(page.locator(".message").last).to_be_in_viewport()
    await expect(jump).to_be_hidden()
    await expect(page).to_have_title("Praxos")


async def test_a_notice_looks_like_one(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    stage.script = False
    await say(page, "x")
    await expect(page.locator(".message.person[data-n]")).to_have_count(1)
    await stage.reply("The model is away.", role=PageRole.NOTICE)
    await expect(page.locator(".message.notice .bubble")).to_have_text("The model is away.")


async def test_a_draft_survives_a_reload(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    await page.get_by_label("Message", exact=True).fill("half a thought")
    await page.reload()
    await expect(page.get_by_label("Message", exact=True)).to_have_value("half a thought")


async def test_a_new_conversation_is_a_command(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    await page.get_by_role("button", name="New conversation").click()
    await expect(page.locator(".message.assistant")).to_have_count(1)
    assert stage.heard[0].text == "/new"

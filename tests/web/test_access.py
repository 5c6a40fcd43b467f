"""The page in a real browser: by keyboard, by screen reader, on a phone, in the dark, without motion."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from shared.messages import Button, ButtonStyle
from tests.web.conftest import Visit, say
from tests.web.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE = {"viewport": {"width": 360, "height": 640}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
CODE = "```py\n" + "x" * 200 + "\n```"
TABLE = "\n".join(("|a" * 14 + "|", "|-" * 14 + "|", "|1" * 14 + "|"))
RICH = f"# Title\n\nSome `code`, a [link](https://example.org).\n\n{CODE}\n\n{TABLE}"


async def furnished(stage: Stage, visit: Visit, **options: Any) -> Page:
    """A page with one of everything on it."""
    page = await visit(stage.url, **options)
    stage.script = False
    await page.set_input_files("#picker", {"name": "plan.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"})
    await expect(page.get_by_role("button", name="Send")).to_be_enabled()
    await page.get_by_label("Message", exact=True).fill("look at this")
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".message.person[data-n]")).to_have_count(1)
    choices = tuple(Button(label=style.value, value=style.value, style=style) for style in ButtonStyle)
    await stage.reply(RICH, buttons=(choices,))
    await expect(page.locator(".choice")).to_have_count(3)
    # Colours that are still fading in would be measured as too pale.
    await page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))")
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("empty", [True, False])
async def test_nothing_stands_in_the_way_of_assistive_technology(
    stage: Stage, visit: Visit, scheme: str, empty: bool
) -> None:
    page = await (visit(stage.url, color_scheme=scheme) if empty else furnished(stage, visit, color_scheme=scheme))
    found = (await Axe().run(page)).response["violations"]
    assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []


async def test_a_screen_reader_hears_the_conversation(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    await say(page, "hello")
    log = page.get_by_role("log", name="Messages")
    await expect(log.get_by_role("article")).to_have_count(2)
    await expect(log.get_by_role("article").first).to_contain_text("You:")
    await expect(log.get_by_role("article").last).to_contain_text("Praxos:")
    await expect(page.get_by_role("main", name="Conversation")).to_be_visible()
    await expect(page.get_by_role("banner")).to_be_visible()
    await expect(page.get_by_role("contentinfo").get_by_role("form", name="Your message")).to_be_visible()


async def test_everything_by_keyboard_alone(stage: Stage, visit: Visit) -> None:
    page = await furnished(stage, visit)
    await page.get_by_role("link", name="Skip to the message box").focus()
    reached = []
    while "text" not in reached and len(reached) < 25:
        reached.append(await page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        await page.keyboard.press("Tab")
    wanted = [
        "Skip to the message box",
        "fresh",
        "scroller",
        "plan.pdf4 bytes",
        "link",
        "Copy",
        "plain",
        "primary",
        "danger",
    ]
    order = [reached.index(one) for one in wanted]
    assert order == sorted(order), reached
    assert reached.index("attach") > max(order)
    assert reached.index("text") == reached.index("attach") + 1


async def test_the_skip_link_leads_to_the_message_box(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    skip = page.get_by_role("link", name="Skip to the message box")
    await expect(skip).not_to_be_in_viewport()
    await page.keyboard.press("Shift+Tab")
    while not await skip.evaluate("node => node === document.activeElement"):
        await page.keyboard.press("Shift+Tab")
    await expect(skip).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Message", exact=True)).to_be_focused()


async def test_whoever_types_while_reading_means_the_message_box(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url)
    box = page.get_by_label("Message", exact=True)
    await page.locator("#scroller").focus()
    await page.keyboard.type("hi")
    await expect(box).to_have_value("hi")
    await page.locator("#fresh").focus()
    await page.keyboard.press("Escape")
    await expect(box).to_be_focused()


async def test_on_a_phone_nothing_is_wider_than_the_screen(stage: Stage, visit: Visit) -> None:
    page = await furnished(stage, visit, **PHONE)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.evaluate("document.getElementById('scroller').scrollWidth <= innerWidth")
    for name in (".table", ".code pre"):  # these scroll by themselves
        assert await page.locator(name).evaluate("node => node.scrollWidth > node.clientWidth")
    await expect(page.get_by_role("button", name="Send")).to_be_in_viewport()
    size = await page.get_by_label("Message", exact=True).evaluate(
        "node => parseFloat(getComputedStyle(node).fontSize)"
    )
    assert size >= 16  # below, iOS zooms into the page
    for name in ("Attach files", "Send", "New conversation"):
        box = await page.get_by_role("button", name=name).bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 36


async def test_on_a_phone_enter_starts_a_line(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url, **PHONE)
    box = page.get_by_label("Message", exact=True)
    await box.press_sequentially("one")
    await page.keyboard.press("Enter")
    await box.press_sequentially("two")
    await page.get_by_role("button", name="Send").tap()
    await expect(page.locator(".message.person .bubble")).to_have_text("one\ntwo")


async def test_a_long_text_leaves_room_for_the_conversation(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url, **PHONE)
    await page.get_by_label("Message", exact=True).fill("line\n" * 80)
    box = await page.locator("#composer").bounding_box()
    assert box
    assert box["height"] < 320
    await expect(page.get_by_role("button", name="Send")).to_be_in_viewport()


async def test_without_motion(stage: Stage, visit: Visit) -> None:
    page = await visit(stage.url, reduced_motion="reduce")
    await say(page, "slow 8000")
    dot = page.locator("#progress .dots i").first
    await expect(dot).to_be_visible()
    await expect(dot).to_have_css("animation-iteration-count", "1")

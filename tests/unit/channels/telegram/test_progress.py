"""Typing, and one status message that is edited in place."""

import asyncio

import pytest

from shared.messages import Progress
from tests.fakes.clock import START
from tests.unit.channels.telegram.conftest import ADDRESS, CHAT


async def show(bench, text, handle="", address=ADDRESS):
    progress = None if text is None else Progress(text=text, since=START)
    return await bench.channel.show(address=address, progress=progress, handle=handle)


def methods(bench):
    return [call.method for call in bench.telegram.calls]


async def test_it_types_first_and_then_says_what_it_does(bench):
    handle = await show(bench, "")
    handle = await show(bench, "", handle)
    handle = await show(bench, "Reading a web page", handle)
    (message,) = bench.telegram.messages.values()
    assert (message["chat"]["id"], message["text"]) == (CHAT, "Reading a web page…")
    assert handle.startswith(str(message["message_id"]))
    handle = await show(bench, "Reading a web page", handle)
    handle = await show(bench, "Calculating…", handle)
    (message,) = bench.telegram.messages.values()
    assert message["text"] == "Calculating…"
    assert await show(bench, None, handle) == ""
    assert bench.telegram.messages == {}
    assert methods(bench) == [
        "sendChatAction",
        "sendChatAction",
        "sendMessage",
        "sendChatAction",
        "editMessageText",
        "deleteMessage",
    ]


async def test_a_quick_answer_never_gets_a_status_message(bench):
    handle = await show(bench, "Calculating")
    await show(bench, None, handle)
    assert methods(bench) == ["sendChatAction"]


async def test_it_stays_in_its_topic_and_makes_no_sound(bench):
    topic = ADDRESS.model_copy(update={"chat": "-100500", "thread": "9"})
    handle = await show(bench, "", address=topic)
    await show(bench, "Reading", handle, address=topic)
    typed, sent = (call.parameters for call in bench.telegram.calls)
    assert (typed["chat_id"], typed["message_thread_id"], typed["action"]) == (-100500, 9, "typing")
    assert (sent["message_thread_id"], sent["disable_notification"]) == (9, True)


async def test_a_long_text_is_cut(bench):
    await show(bench, "\ud800 word " * 1000, "typing")
    (message,) = bench.telegram.messages.values()
    assert len(message["text"]) <= 201


@pytest.mark.parametrize("kind", ["error", "refuse", "drop_before", "drop_after", "garbage", "slow_down"])
@pytest.mark.parametrize("handle", ["", "typing", "1001:abc", "nonsense", "٣:x"])
async def test_nothing_that_goes_wrong_leaves_it(bench, kind, handle):
    bench.telegram.fault(kind)
    assert await show(bench, "Reading", handle) == handle
    bench.clock.pass_(seconds=60)
    assert await show(bench, None, handle) in ("", handle)


async def test_after_a_429_it_is_quiet_in_that_chat_for_as_long_as_asked(bench):
    bench.telegram.fault("slow_down", retry_after=7, times=1)
    assert await show(bench, "", "") == ""
    bench.clock.pass_(seconds=6.9)
    assert await show(bench, "", "") == ""
    assert len(bench.telegram.calls) == 1
    await show(bench, "", "", ADDRESS.model_copy(update={"chat": "78"}))
    assert len(bench.telegram.calls) == 2, "other chats do not wait"
    bench.clock.pass_(seconds=0.2)
    assert await show(bench, "", "") == "typing"


async def test_a_turn_that_ends_while_the_status_message_is_on_its_way_leaves_none(bench):
    bench.telegram.fault("hold", method="sendMessage", times=1)
    showing = asyncio.create_task(show(bench, "Reading", "typing"))
    await bench.telegram.wait_for(lambda: bench.telegram.waiting)
    showing.cancel()
    await asyncio.gather(showing, return_exceptions=True)
    ending = asyncio.create_task(show(bench, None, "typing"))
    await asyncio.sleep(0)
    assert len(bench.telegram.messages) == 1
    bench.telegram.release()
    await ending
    assert bench.telegram.messages == {}


async def test_many_chats_that_were_slowed_down_are_forgotten_in_time(bench):
    quiet = bench.channel._progress._quiet_until
    quiet.update({str(chat): bench.clock.monotonic() - 1 for chat in range(5000)})
    bench.telegram.fault("slow_down", times=1)
    await show(bench, "", "")
    assert len(bench.channel._progress._quiet_until) == 1

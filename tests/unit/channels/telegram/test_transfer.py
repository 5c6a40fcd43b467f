"""Sending parts and fetching files, over HTTP to a fake Bot API."""

import asyncio
import logging
import socket

import aiohttp
import pytest
import telegram as oracle

from shared.channels.telegram.adapter import build
from shared.channels.telegram.parts import REPEAT
from shared.messages import (
    Attachment,
    NotTaken,
    OutboundMessage,
    OutcomeUnknown,
    PraxosError,
    QueueUnavailable,
    Refused,
)
from tests.fakes import telegram_updates as updates
from tests.unit.channels.telegram.conftest import ADDRESS, CHAT, parts

REFUSED_ENTITIES = "Bad Request: can't parse entities: unsupported entity"


async def send(bench, text="**Hello** 😀 there", *, address=ADDRESS, repeat=False, **fields):
    """Render a message and send its first part."""
    part = bench.channel.render(message=OutboundMessage(text=text, **fields))[0]
    return await bench.channel.send(address=address, part=part, key="k", repeat=repeat)


async def test_a_part_is_one_call_and_returns_the_messages_id(bench):
    message_id = await send(bench)
    (call,) = bench.telegram.calls
    assert message_id == str(call.message_id)
    assert call.method == "sendMessage"
    assert call.parameters == {
        "chat_id": CHAT,
        "text": "Hello 😀 there",
        "entities": [{"type": "bold", "offset": 0, "length": 5}],
        "link_preview_options": {"is_disabled": True},
    }


async def test_the_client_library_reads_the_message_as_it_was_meant(bench):
    await send(bench, "> **a** [b 😀](https://x.example)\n\n```python\nc\n```")
    (message,) = bench.telegram.messages.values()
    read = oracle.Message.de_json({**message, "entities": list(message["entities"])}, oracle.Bot(updates.TOKEN))
    words = {(entity.type, entity.url, entity.language): text for entity, text in read.parse_entities().items()}
    assert words == {
        ("blockquote", None, None): "a b 😀",
        ("bold", None, None): "a",
        ("text_link", "https://x.example", None): "b 😀",
        ("pre", None, "python"): "c",
    }


async def test_a_topic_and_a_quote(bench):
    topic = ADDRESS.model_copy(update={"chat": "-100500", "thread": "9"})
    await send(bench, address=topic, reply_to="31")
    parameters = bench.telegram.calls[0].parameters
    assert (parameters["chat_id"], parameters["message_thread_id"]) == (-100500, 9)
    assert parameters["reply_parameters"] == {"message_id": 31, "allow_sending_without_reply": True}


async def test_a_repeat_says_that_it_may_be_one(bench):
    await send(bench, repeat=True)
    assert bench.telegram.calls[0].parameters["text"] == f"Hello 😀 there\n\n{REPEAT}"


@pytest.mark.parametrize("after", [3, 0, None])
async def test_429_was_not_taken_and_says_when(bench, after):
    bench.telegram.fault("slow_down", retry_after=after)
    with pytest.raises(NotTaken) as raised:
        await send(bench)
    assert raised.value.retry_after == after
    assert bench.telegram.sent() == []


@pytest.mark.parametrize("status", [401, 404])
async def test_a_wrong_token_was_not_taken_and_names_the_setting(bench, status):
    bench.telegram.fault("refuse", status=status, description="Unauthorized")
    with pytest.raises(NotTaken, match="TELEGRAM_BOT_TOKEN"):
        await send(bench)


@pytest.mark.parametrize("kind", ["error", "drop_before", "drop_after", "garbage"])
async def test_without_a_clear_answer_the_outcome_is_unknown(bench, kind):
    bench.telegram.fault(kind)
    with pytest.raises(OutcomeUnknown):
        await send(bench)


async def test_an_answer_that_does_not_come_in_time(bench):
    telegram = bench.telegram
    telegram.fault("hold")
    environ = {"TELEGRAM_API_BASE": telegram.url, "TELEGRAM_TIMEOUT_SECONDS": "0.2"}
    async with aiohttp.ClientSession() as session:
        bench.channel = build(parts(environ=environ, http=session))
        with pytest.raises(OutcomeUnknown):
            await send(bench)
    assert len(telegram.sent(CHAT)) == 1, "it was taken all the same"


async def test_no_connection_is_proof_that_nothing_was_taken(bench):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        environ = {"TELEGRAM_API_BASE": f"http://127.0.0.1:{unused.getsockname()[1]}"}
        async with aiohttp.ClientSession() as session:
            bench.channel = build(parts(environ=environ, http=session))
            with pytest.raises(NotTaken):
                await send(bench)


async def test_no_free_connection_in_time_is_proof_too(bench):
    bench.telegram.fault("hold")
    environ = {"TELEGRAM_API_BASE": bench.telegram.url, "TELEGRAM_TIMEOUT_SECONDS": "0.3"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        bench.channel = build(parts(environ=environ, http=session))
        first = asyncio.create_task(send(bench))
        await bench.telegram.wait_for(lambda: bench.telegram.waiting)
        with pytest.raises((NotTaken, OutcomeUnknown)):
            await send(bench)
        with pytest.raises(OutcomeUnknown):
            await first
    assert len(bench.telegram.calls) <= 2


async def test_a_refusal_says_what_telegram_said(bench):
    bench.telegram.fault("refuse")
    with pytest.raises(Refused, match="bot was blocked by the user"):
        await send(bench)
    assert len(bench.telegram.calls) == 1


async def test_entities_that_telegram_does_not_like_are_left_out_once(bench):
    bench.telegram.fault("refuse", status=400, description=REFUSED_ENTITIES, times=1)
    await send(bench)
    first, second = bench.telegram.calls
    assert "entities" in first.parameters
    assert "entities" not in second.parameters
    assert second.parameters["text"] == first.parameters["text"]
    bench.telegram.fault("refuse", status=400, description=REFUSED_ENTITIES)
    with pytest.raises(Refused):
        await send(bench)
    assert len(bench.telegram.calls) == 4


async def test_a_group_that_moved_is_followed(bench):
    group = ADDRESS.model_copy(update={"chat": "-55"})
    bench.telegram.fault("refuse", status=400, description="group chat was upgraded", chat=-55, migrate_to=-10055)
    await send(bench, address=group)
    assert [call.parameters["chat_id"] for call in bench.telegram.calls] == [-55, -10055]
    assert len(bench.telegram.sent(-10055)) == 1


async def test_a_group_that_moves_in_circles_is_refused(bench):
    for chat, to in ((-55, -56), (-56, -55)):
        bench.telegram.fault("refuse", status=400, description="moved", chat=chat, migrate_to=to)
    with pytest.raises(Refused):
        await send(bench, address=ADDRESS.model_copy(update={"chat": "-55"}))
    assert len(bench.telegram.calls) == 4


def attached(media_type="image/png", name="a.png"):
    return {"text": "", "attachments": (Attachment(name=name, media_type=media_type, file="f1"),)}


async def test_a_picture_goes_as_a_photo(bench):
    bench.files.contents["f1"] = b"a picture"
    await send(bench, repeat=True, reply_to="5", buttons=(), **attached(name="ä b.png"))
    (call,) = bench.telegram.sent(CHAT)
    assert call.method == "sendPhoto"
    photo = call.parameters["photo"]
    assert (photo.content, photo.media_type) == (b"a picture", "image/png")
    assert photo.file_name.endswith(".png")
    assert call.parameters["caption"] == REPEAT


async def test_a_picture_that_is_too_large_for_a_photo_goes_as_a_document(bench):
    bench.files.contents["f1"] = b"x" * 10_000_001
    await send(bench, **attached())
    assert [call.method for call in bench.telegram.calls] == ["sendDocument"]


async def test_a_picture_that_telegram_will_not_show_goes_as_a_document(bench):
    bench.files.contents["f1"] = b"a strip"
    bench.telegram.fault("refuse", method="sendPhoto", status=400, description="Bad Request: PHOTO_INVALID_DIMENSIONS")
    await send(bench, **attached())
    assert [call.method for call in bench.telegram.calls] == ["sendPhoto", "sendDocument"]
    assert bench.telegram.calls[1].parameters["document"].content == b"a strip"


async def test_a_photo_for_a_chat_that_is_gone_is_not_tried_again(bench):
    bench.files.contents["f1"] = b"a picture"
    bench.telegram.fault("refuse", status=400, description="Bad Request: chat not found")
    with pytest.raises(Refused):
        await send(bench, **attached())
    assert len(bench.telegram.calls) == 1


async def test_a_file_that_is_gone_or_too_large_is_refused(bench):
    with pytest.raises(Refused, match="gone"):
        await send(bench, **attached())
    bench.files.contents["f1"] = b"x" * 50_000_001
    with pytest.raises(Refused, match="50000001 bytes"):
        await send(bench, **attached())
    assert bench.telegram.calls == []


async def test_files_that_are_away_are_waited_for(bench, monkeypatch):
    async def away(*, id):
        raise QueueUnavailable("away")

    monkeypatch.setattr(bench.files, "get", away)
    with pytest.raises(NotTaken):
        await send(bench, **attached())


async def fetch(bench, ref="F", size=None):
    attachment = Attachment(name="a", media_type="a/b", ref=ref, size=size)
    return b"".join([chunk async for chunk in bench.channel.fetch(attachment=attachment)])


async def test_a_file_is_fetched(bench):
    content = bytes(range(256)) * 1000
    bench.telegram.files["F"] = ("photos/file 1#?.jpg", content)
    assert await fetch(bench) == content


async def test_a_file_beyond_the_limit_is_refused(bench):
    with pytest.raises(Refused, match="20000001 bytes"):
        await fetch(bench, size=20_000_001)
    assert bench.telegram.calls == []
    bench.telegram.files["F"] = ("a", b"x" * 20_000_001)
    with pytest.raises(Refused, match="more than 20000000"):
        await fetch(bench)


async def test_a_file_that_telegram_does_not_know_is_refused(bench):
    with pytest.raises(Refused, match="invalid file_id"):
        await fetch(bench)
    bench.telegram.files["F"] = ("../../etc/passwd", b"")
    with pytest.raises(Refused):
        await fetch(bench)


@pytest.mark.parametrize("kind", ["error", "drop_before", "slow_down", "garbage"])
async def test_what_may_pass_is_tried_again_later(bench, kind):
    bench.telegram.files["F"] = ("a", b"x")
    bench.telegram.fault(kind, times=1)
    with pytest.raises((NotTaken, Refused)):
        await fetch(bench)
    assert await fetch(bench) == b"x"


@pytest.mark.parametrize("kind", ["error", "refuse", "slow_down", "drop_before", "garbage"])
async def test_nothing_that_goes_wrong_shows_the_token(bench, kind, caplog):
    caplog.set_level(logging.DEBUG)
    bench.telegram.fault(kind)
    with pytest.raises(PraxosError) as raised:
        await send(bench)
    logging.getLogger("test").error("it failed", exc_info=raised.value)
    secret = updates.TOKEN.partition(":")[2]
    assert secret not in "".join(caplog.messages) + caplog.text + str(raised.value) + repr(raised.value)

"""From updates to events, and what the webhook answers."""

import json
from datetime import UTC, datetime

import pytest
from telegram import Bot as OracleBot
from telegram import Update

from shared.channels.telegram import kinds
from shared.messages import EventKind
from tests.fakes import bot_api_specification
from tests.fakes import telegram_updates as updates

ORACLE = OracleBot(updates.TOKEN)
RECEIVED = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)


@pytest.fixture
def parse(channel):
    def parse(body):
        return channel.parse(request=updates.request(body), received_at=RECEIVED)

    return parse


@pytest.fixture
def event(parse):
    def event(body):
        if isinstance(body, dict):
            assert Update.de_json(body, ORACLE), "no update for python-telegram-bot either"
        (found,) = parse(body).events
        return found

    return event


def test_a_message_becomes_an_event(event):
    update = updates.update(updates.message("Hello", message_id=31), update_id=555)
    found = event(update)
    assert found.id == "main:telegram:4242:555"
    assert found.conversation == "main:telegram:4242:77"
    assert (found.kind, found.text, found.message, found.group) == (EventKind.MESSAGE, "Hello", "31", False)
    assert (found.sender.external_id, found.sender.name, found.sender.language) == ("77", "Anna Ito", "de")
    assert found.sent_at == datetime.fromtimestamp(updates.DATE, UTC)
    assert found.received_at == RECEIVED


def test_the_answer_to_a_message_is_an_empty_200(parse):
    response = parse(updates.text("Hello")).response
    assert (response.status, response.body) == (200, b"")


def test_an_edit_is_an_event_of_its_own(event):
    edited = updates.message("Hello again", edit_date=updates.DATE + 60)
    found = event(updates.update(edited, kind="edited_message"))
    assert (found.kind, found.text) == (EventKind.EDITED, "Hello again")
    assert found.sent_at == datetime.fromtimestamp(updates.DATE + 60, UTC)


def test_a_press_carries_its_button_and_is_answered_in_the_response(parse, event):
    update = updates.press("q:abc:yes", sender=updates.BEN, chat=updates.GROUP)
    found = event(update)
    assert (found.kind, found.button, found.text) == (EventKind.PRESS, "q:abc:yes", "")
    assert (found.sender.external_id, found.chat, found.group) == ("78", "-100500", True)
    response = parse(update).response
    assert response.media_type == "application/json"
    assert json.loads(response.body) == {
        "method": "answerCallbackQuery",
        "callback_query_id": update["callback_query"]["id"],
    }


def test_a_press_under_a_message_that_is_too_old(event):
    update = updates.press("say:Hi")
    update["callback_query"]["message"] = {"chat": updates.PRIVATE, "message_id": 5, "date": 0}
    found = event(update)
    assert (found.kind, found.chat, found.message) == (EventKind.PRESS, "77", "5")


def test_a_forum_topic_is_a_thread_and_a_reply_thread_is_not(event):
    group = {**updates.GROUP, "is_forum": True}
    topic = updates.message("/help", chat=group, message_thread_id=9, is_topic_message=True)
    assert event(updates.update(topic)).thread == "9"
    assert event(updates.text("/help", chat=updates.GROUP, message_thread_id=9)).thread == ""
    pressed = updates.press("x", chat=group, message_thread_id=9, is_topic_message=True)
    assert event(pressed).conversation == "main:telegram:4242:-100500:9"


def test_an_anonymous_administrator_is_the_group(event):
    anonymous = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
    found = event(updates.text("/help", chat=updates.GROUP, sender=anonymous, sender_chat=updates.GROUP))
    assert (found.sender.external_id, found.sender.name) == ("-100500", "Team")


SIZES = [
    {"file_id": "small", "file_unique_id": "1", "width": 90, "height": 60, "file_size": 900},
    {"file_id": "large", "file_unique_id": "2", "width": 1280, "height": 853, "file_size": 90_000},
    {"file_id": "middle", "file_unique_id": "3", "width": 320, "height": 213},
]
FILE = {"file_id": "F", "file_unique_id": "U"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"photo": SIZES}, ("photo.jpg", "image/jpeg", 90_000, "large")),
        (
            {"document": {**FILE, "file_name": "plan.pdf", "mime_type": "application/pdf", "file_size": 5}},
            ("plan.pdf", "application/pdf", 5, "F"),
        ),
        (
            {"document": {**FILE, "file_name": "..\\..\\etc/passwd", "mime_type": "so wrong"}},
            ("passwd", "application/octet-stream", None, "F"),
        ),
        ({"document": FILE}, ("document", "application/octet-stream", None, "F")),
        ({"voice": {**FILE, "duration": 3}}, ("voice.ogg", "audio/ogg", None, "F")),
        ({"audio": {**FILE, "duration": 3, "mime_type": "audio/mp4"}}, ("audio.mp3", "audio/mp4", None, "F")),
        ({"video": {**FILE, "width": 1, "height": 1, "duration": 3}}, ("video.mp4", "video/mp4", None, "F")),
        ({"video_note": {**FILE, "length": 1, "duration": 3}}, ("video-message.mp4", "video/mp4", None, "F")),
        (
            {"animation": {**FILE, "width": 1, "height": 1, "duration": 3}, "document": {**FILE, "file_id": "again"}},
            ("animation.mp4", "video/mp4", None, "F"),
        ),
    ],
)
def test_a_file_is_a_reference_beside_the_caption(event, fields, expected):
    found = event(updates.update(updates.message(caption="Look", **fields)))
    (attachment,) = found.attachments
    assert (attachment.name, attachment.media_type, attachment.size, attachment.ref) == expected
    assert attachment.file == ""
    assert found.text == "Look"


@pytest.mark.parametrize(
    ("flags", "name", "media_type"),
    [
        ({}, "sticker.webp", "image/webp"),
        ({"is_animated": True}, "sticker.tgs", "application/x-tgsticker"),
        ({"is_video": True}, "sticker.webm", "video/webm"),
    ],
)
def test_a_sticker_says_its_emoji(event, flags, name, media_type):
    plain = {"type": "regular", "width": 1, "height": 1, "is_animated": False, "is_video": False, "emoji": "🙂"}
    found = event(updates.update(updates.message(sticker={**FILE, **plain, **flags})))
    assert (found.text, found.attachments[0].name, found.attachments[0].media_type) == ("🙂", name, media_type)


PLACE = {"latitude": 52.52, "longitude": 13.405}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"location": PLACE}, "Location: latitude 52.520000, longitude 13.405000"),
        (
            {"location": PLACE, "venue": {"location": PLACE, "title": "Café", "address": "Main St 1"}},
            "Place: Café, Main St 1 (latitude 52.520000, longitude 13.405000)",
        ),
        (
            {"contact": {"phone_number": "+491", "first_name": "Ben", "last_name": "Ray"}},
            "Contact: Ben Ray, +491",
        ),
        ({"dice": {"emoji": "🎲", "value": 5}}, "🎲 5"),
        ({"story": {"chat": updates.PRIVATE, "id": 3}}, "(Sent a story, which cannot be read here.)"),
    ],
)
def test_what_has_no_text_becomes_words(event, fields, words):
    assert event(updates.update(updates.message(**fields))).text == words


def test_a_poll_becomes_words(parse):
    options = [{"text": "Yes", "voter_count": 0}, {"text": "No", "voter_count": 0}]
    (found,) = parse(updates.update(updates.message(poll={"question": "Now?", "options": options}))).events
    assert found.text == "Poll: Now?\n- Yes\n- No"


def test_a_forwarded_message_says_so_and_is_no_command(event):
    origin = {"type": "user", "date": updates.DATE, "sender_user": updates.BEN}
    found = event(updates.text("/new", forward_origin=origin))
    assert found.text == "(Forwarded from Ben:)\n/new"


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        ({"type": "hidden_user", "sender_user_name": "Somebody Else"}, "Somebody Else"),
        ({"type": "chat", "sender_chat": updates.GROUP}, "Team"),
        ({"type": "channel", "chat": {"id": -1, "type": "channel", "title": "News"}, "message_id": 4}, "News"),
    ],
)
def test_where_a_forwarded_message_comes_from(event, origin, name):
    found = event(updates.text("Hi", forward_origin={"date": updates.DATE, **origin}))
    assert found.text == f"(Forwarded from {name}:)\nHi"


def test_a_reply_to_somebody_quotes_them_and_brings_their_file(event):
    theirs = updates.message(caption="Two\nlines", sender=updates.BEN, photo=SIZES)
    found = event(updates.text("What is that?", reply_to_message=theirs))
    assert found.text == "> Two\n> lines\n\nWhat is that?"
    assert found.attachments[0].ref == "large"


def test_a_reply_to_us_quotes_nothing_but_what_was_picked_out(event):
    ours = updates.message("One. Two.", sender=updates.BOT)
    assert event(updates.text("Why?", reply_to_message=ours)).text == "Why?"
    picked = {"text": "Two.", "position": 5, "is_manual": True}
    assert event(updates.text("Why?", reply_to_message=ours, quote=picked)).text == "> Two.\n\nWhy?"


def test_a_command_stays_a_command_when_it_replies(event):
    theirs = updates.message("Hi", sender=updates.BEN)
    assert event(updates.text("/status", reply_to_message=theirs)).text == "/status"


def test_addresses_behind_words_are_spelt_out(event):
    link = {"type": "text_link", "offset": 5, "length": 4, "url": "https://example.org/a"}
    assert event(updates.text("Read this", entities=[link])).text == "Read this\n\nthis: https://example.org/a"


def test_text_is_made_safe_to_write(event):
    found = event(b'{"update_id":1,"message":{"message_id":1,"date":1,"chat":{"id":7,"type":"private"},'
                  b'"from":{"id":7,"is_bot":false,"first_name":"\\ud800"},"text":"a\\u0000b\\ud83d\\ude00\\udc00"}}')  # fmt: skip
    assert found.text == "ab😀\ufffd"
    assert found.sender.name == "\ufffd"
    found.model_dump_json().encode()


@pytest.mark.parametrize("notice", sorted(kinds.NOTICES))
def test_a_notice_of_telegrams_is_no_event(parse, notice):
    assert parse(updates.update(updates.message(**{notice: {"anything": [1]}}))).events == []


@pytest.mark.parametrize("kind", sorted(kinds.IGNORED_UPDATES))
def test_an_update_that_nobody_says_anything_with_is_no_event(parse, kind):
    parsed = parse({"update_id": 1, kind: {"chat": {"id": 5}}})
    assert (list(parsed.events), parsed.response.status) == ([], 200)


@pytest.mark.parametrize(
    "content",
    [
        updates.message("Hi", sender={**updates.BEN, "is_bot": True}),
        updates.message("Hi", chat={"id": -1, "type": "channel", "title": "News"}),
        updates.message("/help", chat=updates.GROUP, is_automatic_forward=True),
    ],
)
def test_what_no_person_says_to_us_is_no_event(parse, content):
    assert parse(updates.update(content)).events == []


def test_a_live_location_that_moves_is_no_event(parse, event):
    moving = {**PLACE, "live_period": 900}
    assert parse(updates.update(updates.message(location=moving), kind="edited_message")).events == []
    assert event(updates.update(updates.message(location=moving))).text.startswith("Location")


UNREADABLE = {
    "an unknown kind": ({"update_id": 9, "telepathy": {}}, "9", ""),
    "no kind": ({"update_id": 9}, "9", ""),
    "no update_id": ({"message": updates.message("Hi")}, None, "77"),
    "update_id of the wrong type": ({**updates.text("Hi"), "update_id": "9"}, None, "77"),
    "a boolean update_id": ({**updates.text("Hi"), "update_id": True}, None, "77"),
    "a huge update_id": ({**updates.text("Hi"), "update_id": 10**30}, None, "77"),
    "a caption of the wrong type": (updates.update(updates.message(caption=["Hi"]), update_id=9), "9", "77"),
    "a date before time": (updates.update(updates.message("Hi", date=-5), update_id=9), "9", "77"),
    "a date after time": (updates.update(updates.message("Hi", date=10**15), update_id=9), "9", "77"),
    "no chat": (updates.update({"message_id": 1, "date": 1, "text": "Hi"}, update_id=9), "9", ""),
    "a chat without a type": (updates.update(updates.message("Hi", chat={"id": 5}), update_id=9), "9", "5"),
    "a chat with a huge id": (updates.update(updates.message("Hi", chat={"id": 2**70}), update_id=9), "9", ""),
    "no sender": (updates.update(updates.message("Hi", sender=None), update_id=9), "9", "77"),
    "nothing known in it": (updates.update(updates.message(hologram={}), update_id=9), "9", "77"),
    "a message that is null": ({"update_id": 9, "message": None}, "9", ""),
    "a press without data": ({**updates.press("x"), "update_id": 9}, "9", "77"),
    "not an object": ([1, 2], None, ""),
    "not JSON": (b"{", None, ""),
    "not UTF-8": (b'{"update_id": 9, "message": "\xff"}', None, ""),
    "nothing at all": (b"", None, ""),
    "nested deeply": (b'{"update_id": 9, "message": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", None, ""),
    "a number without end": (b'{"update_id": ' + b"9" * 10_000 + b"}", None, ""),
    "five megabytes": (b'{"update_id": 9, "message": "' + b"x" * 5_000_000 + b'"}', None, ""),
}
del UNREADABLE["a press without data"][0]["callback_query"]["data"]


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_understood_is_an_unreadable_event_and_a_200(parse, name):
    body, provider_id, chat = UNREADABLE[name]
    parsed = parse(body)
    (found,) = parsed.events
    assert parsed.response.status == 200
    assert found.kind is EventKind.UNREADABLE
    assert found.chat == chat
    assert 0 < len(found.reason) < 200
    assert "Hi" not in found.reason
    if provider_id:
        assert found.id == f"main:telegram:4242:{provider_id}"
    else:
        assert found.id.startswith("main:telegram:4242:body-")
        assert parse(body).events[0].id == found.id, "every delivery of it has the same id"
    if not chat:
        assert found.conversation == "~unrouted:main:telegram:4242"


def test_an_unreadable_topic_message_stays_in_its_topic(parse):
    broken = updates.message(caption=5, chat=updates.GROUP, message_thread_id=3, is_topic_message=True)
    (found,) = parse(updates.update(broken)).events
    assert (found.chat, found.thread, found.group, found.sender.external_id) == ("-100500", "3", True, "77")


def test_the_kinds_are_those_of_the_specification():
    path = bot_api_specification.find()
    if path is None:
        pytest.skip("no Bot API specification: PRAXOS_PAYLOADS is not set")
    types = bot_api_specification.Specification(path).types
    update_kinds = {field["name"] for field in types["Update"]["fields"]} - {"update_id"}
    assert update_kinds == kinds.IGNORED_UPDATES | set(kinds.READ_UPDATES)
    message_fields = {field["name"] for field in types["Message"]["fields"]}
    assert message_fields >= kinds.NOTICES | set(kinds.UNSEEN)

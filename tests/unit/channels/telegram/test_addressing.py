"""Whom a message in a group is for."""

from datetime import UTC, datetime

import pytest

from shared.channels.telegram.adapter import build
from tests.fakes import telegram_updates as updates
from tests.unit.channels.telegram.conftest import parts

RECEIVED = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
OTHER_BOT = {"id": 99, "is_bot": True, "first_name": "Other", "username": "other_bot"}


def heard(channel, update):
    events = channel.parse(request=updates.request(update), received_at=RECEIVED).events
    assert len(events) <= 1
    return events[0].text if events else None


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("Good morning everybody", None),
        ("@praxos_bot what time is it?", "what time is it?"),
        ("@Praxos_Bot, what time is it?", "what time is it?"),
        ("What time is it @praxos_bot", "What time is it"),
        ("Hey @praxos_bot what time is it?", "Hey what time is it?"),
        ("😀🏽 @praxos_bot 😀 time?", "😀🏽 😀 time?"),
        ("@praxos_bot", "@praxos_bot"),
        ("@other_bot what time is it?", None),
        ("Ask @anna about it", None),
        ("mail me@praxos_bot.example", None),
        ("/help", "/help"),
        ("/help@praxos_bot", "/help"),
        ("/HELP@PRAXOS_BOT now", "/HELP now"),
        ("/help@other_bot", None),
        ("/help@other_bot ask @praxos_bot", None),
        ("@praxos_bot /help", "/help"),
        ("try /help some time", None),
    ],
)
def test_commands_and_mentions(channel, said, text):
    update = updates.text(said, chat=updates.GROUP)
    if said.startswith("mail"):
        del update["message"]["entities"]
    assert heard(channel, update) == text


def test_a_mention_in_a_caption(channel):
    caption = "@praxos_bot what is that?"
    photo = [{"file_id": "F", "file_unique_id": "U", "width": 1, "height": 1}]
    marked = updates.entities(caption)
    content = updates.message(chat=updates.GROUP, photo=photo, caption=caption, caption_entities=marked)
    assert heard(channel, updates.update(content)) == "what is that?"


def test_a_mention_by_id(channel):
    mention = {"type": "text_mention", "offset": 0, "length": 6, "user": updates.BOT}
    assert heard(channel, updates.text("Praxos, hi", chat=updates.GROUP, entities=[mention])) == "hi"
    mention = {**mention, "user": OTHER_BOT}
    assert heard(channel, updates.text("Praxos, hi", chat=updates.GROUP, entities=[mention])) is None


def test_a_reply_to_us(channel):
    ours = updates.message("Anything else?", chat=updates.GROUP, sender=updates.BOT)
    assert heard(channel, updates.text("No", chat=updates.GROUP, reply_to_message=ours)) == "No"
    theirs = updates.message("Anything else?", chat=updates.GROUP, sender=OTHER_BOT)
    assert heard(channel, updates.text("No", chat=updates.GROUP, reply_to_message=theirs)) is None


def test_in_a_topic_that_we_opened_not_every_message_is_a_reply_to_us(channel):
    notice = updates.message(chat=updates.GROUP, sender=updates.BOT, forum_topic_created={"name": "T"})
    place = {"chat": updates.GROUP, "reply_to_message": notice, "message_thread_id": 3, "is_topic_message": True}
    assert heard(channel, updates.text("Hello all", **place)) is None
    assert heard(channel, updates.text("@praxos_bot hello", **place)) == "hello"


def test_a_mention_far_outside_of_the_text_is_none(channel):
    mention = {"type": "mention", "offset": 2**62, "length": 2**62}
    assert heard(channel, updates.text("Hello", chat=updates.GROUP, entities=[mention])) is None


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("@praxos_bot hi", "hi"),
        ("/help@some_other_BOT", "/help"),
        ("@anna hi", None),
        ("hi", None),
    ],
)
def test_without_its_name_it_listens_to_what_bots_are_called(said, text):
    channel = build(parts(environ={"TELEGRAM_BOT_USERNAME": ""}))
    assert heard(channel, updates.text(said, chat=updates.GROUP)) == text


def test_in_private_everything_is_for_us_and_names_stay(channel):
    assert heard(channel, updates.text("Who is @praxos_bot?")) == "Who is @praxos_bot?"
    assert heard(channel, updates.text("/help@praxos_bot")) == "/help"

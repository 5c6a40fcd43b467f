"""No body, of whatever shape, makes `parse` raise or answer with anything but a 200."""

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.channels.telegram.adapter import build
from shared.channels.telegram.kinds import READ_UPDATES
from shared.messages import InboundEvent
from tests.fakes import telegram_updates as updates
from tests.unit.channels.telegram.conftest import parts

RECEIVED = datetime(2026, 3, 1, tzinfo=UTC)
CHANNEL = build(parts())

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    TEXT,
    st.sampled_from(["private", "supergroup", "@praxos_bot", "/help@praxos_bot", "mention", "text_link", "\ud800\0"]),
)
FIELDS = st.sampled_from(
    "id type text from chat date entities offset length url user photo file_id caption message data message_id "
    "message_thread_id is_topic_message reply_to_message forward_origin sender_user quote is_manual location "
    "latitude longitude sticker emoji poll question options venue contact dice value document file_name mime_type "
    "sender_chat title edit_date username first_name".split()
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(FIELDS, TEXT), inner, max_size=8)),
    max_leaves=30,
)
ENTITY = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["mention", "text_mention", "text_link", "bot_command"]),
        "offset": st.integers(0, 40),
        "length": st.integers(0, 40),
    },
    optional={"url": TEXT, "user": st.just(updates.BOT)},
)


@st.composite
def almost_right(draw):
    """A right update in which anything was put anywhere."""
    content = updates.message(
        draw(st.one_of(TEXT, st.just("@praxos_bot 😀 /help"))),
        chat=draw(st.sampled_from([updates.PRIVATE, updates.GROUP])),
        entities=draw(st.lists(ENTITY, max_size=4)),
    )
    kind = draw(st.sampled_from(READ_UPDATES))
    update = (
        updates.press("x")
        if kind == "callback_query"
        else updates.update(content, kind=kind, update_id=draw(st.integers(0, 2**40)))
    )
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from([one for one in walk(update) if one]))
        place[draw(st.one_of(st.sampled_from(sorted(place)), FIELDS))] = draw(JSON)
    return update


def walk(value):
    if isinstance(value, dict):
        yield value
        for inner in list(value.values()):
            yield from walk(inner)


def parse(body):
    parsed = CHANNEL.parse(request=updates.request(body), received_at=RECEIVED)
    assert parsed.response.status == 200
    for event in parsed.events:
        written = event.model_dump_json()
        written.encode()
        assert InboundEvent.model_validate_json(written) == event
        assert "\0" not in event.text
        assert event.conversation


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(), st.binary(max_size=40).map(lambda middle: b'{"update_id":1,"message":' + middle + b"}")))
def test_bytes_of_any_kind(body):
    parse(body)


@settings(max_examples=150, deadline=None)
@given(st.one_of(JSON, st.dictionaries(st.sampled_from(["update_id", *READ_UPDATES]), JSON)))
def test_json_of_any_shape(value):
    parse(json.dumps(value).encode())


@settings(max_examples=150, deadline=None)
@given(almost_right())
def test_updates_that_are_almost_right(update):
    parse(json.dumps(update).encode())

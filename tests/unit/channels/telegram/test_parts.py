"""From messages to parts: sizes, entities, files, buttons and quotes."""

import unicodedata

import telegram
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.channels.telegram import utf16
from shared.channels.telegram.parts import REPEAT, Part, to_parts
from shared.channels.telegram.rendering import render
from shared.messages import Attachment, Button, ButtonStyle, OutboundMessage
from tests.fakes import bot_api_rules
from tests.fakes import telegram_updates as updates

ORACLE = telegram.Bot(updates.TOKEN)
LIMIT = 4096 - len(f"\n\n{REPEAT}")


def parts(text="", **fields):
    """The parts of a message; each of them keeps Telegram's rules, also with the label of a repeat."""
    found = to_parts(OutboundMessage(text=text, **fields))
    for part in found:
        check(part)
        check(part.labelled())
        assert Part.model_validate(part.model_dump(mode="json", exclude_defaults=True)) == part
    return found


def check(part):
    parameters = {"chat_id": 1, **part.parameters()}
    assert bot_api_rules.broken(part.method, parameters) == ""
    if part.method == "sendMessage":
        oracle(part)


def oracle(part):
    """What python-telegram-bot reads as the words of each entity."""
    entities = [telegram.MessageEntity.de_json(dict(entity), ORACLE) for entity in part.entities]
    chat = telegram.Chat(id=1, type="private")
    message = telegram.Message(message_id=1, date=None, chat=chat, text=part.text, entities=entities)
    words = message.parse_entities()
    assert len(words) == len({(one.type, one.offset, one.length) for one in entities})
    return {(entity.type, text) for entity, text in words.items()}


def visible(text):
    return [character for character in text if not character.isspace() and unicodedata.category(character) != "Cf"]


def test_a_short_text_is_one_part():
    (part,) = parts("**Hi** 😀 `there`")
    assert part.parameters() == {
        "text": "Hi 😀 there",
        "link_preview_options": {"is_disabled": True},
        "entities": [
            {"type": "bold", "offset": 0, "length": 2},
            {"type": "code", "offset": 6, "length": 5},
        ],
    }


def test_nothing_is_no_part_and_markdown_that_shows_nothing_is_shown_as_it_stands():
    assert parts("") == []
    assert parts(" \n\u200b ") == []
    assert [part.text for part in parts("[a]: https://x.example")] == ["[a]: https://x.example"]
    assert [part.text for part in parts("```\n```")] == ["```\n```"]


def test_it_is_cut_between_paragraphs_then_lines_then_words():
    first, second = parts("a" * 3000 + "\n\n" + "b" * 500 + "\n" + "c" * 900)
    assert (first.text, second.text[0]) == ("a" * 3000, "b")
    first, second = parts("a" * 3000 + "\n" + "b" * 500 + " " + "c" * 900)
    assert (first.text, second.text[0]) == ("a" * 3000, "b")
    first, second = parts("a" * 3000 + " " + "b" * 2000)
    assert (first.text, second.text) == ("a" * 3000, "b" * 2000)
    first, second = parts("a" * 5000)
    assert (len(first.text), len(second.text)) == (LIMIT, 5000 - LIMIT)


def test_it_is_never_cut_inside_what_people_see_as_one_character():
    for unit in ("😀", "👩‍👩‍👧‍👦", "🇩🇪", "e\u0301\u0323", "👍🏽", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣"):
        found = parts(unit * 2500)
        assert len(found) > 1
        assert "".join(part.text for part in found) == unit * 2500
        assert all(len(part.text) % len(unit) == 0 for part in found)


def test_a_style_that_is_cut_goes_on_in_the_next_part():
    first, second = parts("**" + "a" * 3000 + " " + "b" * 3000 + "**")
    assert oracle(first) == {("bold", "a" * 3000)}
    assert oracle(second) == {("bold", "b" * 3000)}


def test_code_that_is_cut_stays_code_and_keeps_its_indentation():
    lines = "\n".join(f"    line {number}" for number in range(600))
    found = parts(f"```python\n{lines}\n```")
    assert len(found) > 1
    for part in found:
        assert part.text.startswith("    line")
        assert part.entities == ({"type": "pre", "offset": 0, "length": len(part.text), "language": "python"},)
    assert "\n".join(part.text for part in found) == lines


def test_a_cut_before_code_is_better_than_one_in_it():
    code = "x\n\n" * 400
    first, second = parts("word " * 600 + f"\n\n```\n{code}```")
    assert first.entities == ()
    assert second.entities[0]["type"] == "pre"


def test_entities_beyond_a_hundred():
    (styled,) = parts(" ".join(["**a**"] * 150))
    assert len(styled.entities) == 100
    (mixed,) = parts(" ".join(["**a**"] * 150 + ["[b](https://x.example)"] * 50))
    assert [entity["type"] for entity in mixed.entities].count("text_link") == 50
    linked = parts(" ".join(["[b](https://x.example)"] * 250))
    assert [len(part.entities) for part in linked] == [100, 100, 50]


def test_a_file_is_a_part_of_its_own():
    photo = Attachment(name="a.png", media_type="image/png", size=10, file="f1")
    large = Attachment(name="b.png", media_type="image/png", size=10_000_001, file="f2")
    other = Attachment(name="c.pdf", media_type="application/pdf", file="f3")
    unfetched = Attachment(name="d", media_type="a/b", ref="only-theirs")
    found = parts("Here", attachments=(photo, large, other, unfetched))
    assert [part.method for part in found] == ["sendMessage", "sendPhoto", "sendDocument", "sendDocument"]
    assert [part.file for part in found] == ["", "f1", "f2", "f3"]


def test_the_first_part_quotes_and_the_last_one_has_the_buttons():
    buttons = ((Button(label="Yes", value="q:1:yes", style=ButtonStyle.PRIMARY), Button(label="No", value="q:1:no")),)
    first, second = parts("a" * 5000, buttons=buttons, reply_to="31")
    assert first.parameters()["reply_parameters"] == {"message_id": 31, "allow_sending_without_reply": True}
    assert "reply_markup" not in first.parameters()
    assert "reply_parameters" not in second.parameters()
    assert second.parameters()["reply_markup"] == {
        "inline_keyboard": [
            [
                {"text": "Yes", "callback_data": "q:1:yes", "style": "primary"},
                {"text": "No", "callback_data": "q:1:no"},
            ]
        ]
    }


def test_too_many_buttons_are_wrapped_and_then_left_out():
    row = tuple(Button(label=str(number), value=str(number)) for number in range(150))
    (part,) = parts("Choose", buttons=(row,))
    assert [len(row) for row in part.keyboard] == [8] * 12 + [4]


def test_buttons_without_a_word_get_one():
    (part,) = parts("", buttons=((Button(label="Yes", value="y"),),))
    assert part.text == "…"


def test_what_is_no_message_id_quotes_nothing():
    for reply_to in ("", "abc", "-5", "5" * 30, "٣"):
        assert parts("Hi", reply_to=reply_to)[0].reply_to is None


def test_the_label_of_a_repeat_stands_outside_of_every_style():
    (part,) = parts("**" + "a" * LIMIT + "**")
    labelled = part.labelled()
    assert labelled.text.endswith(f"a\n\n{REPEAT}")
    assert utf16.length(labelled.text) == 4096
    assert oracle(labelled) == {("bold", "a" * LIMIT)}
    photo = Part(method="sendPhoto", file="f")
    assert photo.labelled().parameters()["caption"] == REPEAT


def test_a_label_fits_where_no_room_was_left():
    labelled = Part(method="sendMessage", text="😀" * 2048, entities=({"type": "bold", "offset": 0, "length": 4096},))
    check(labelled.labelled())
    assert labelled.labelled().text.endswith(REPEAT)


WORDS = st.sampled_from(
    "a b word longerword 😀 👩‍👩‍👧‍👦 é 日本 ** * _ __ ~~ ` ``` # > - + 1. 2) | [ ] ( ) ! < > & \\ : https://x.example "
    "**b:**c [l](https://x.example) `c` | a | b | |-|-| --- - [ ] \t".split(" ")
)
LINES = st.lists(WORDS, max_size=12).map(" ".join)
MARKDOWN = st.lists(LINES, max_size=30).map("\n".join)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(), MARKDOWN, st.tuples(MARKDOWN, st.integers(1, 60)).map(lambda one: one[0] * one[1])))
def test_every_text_becomes_parts_that_telegram_takes_and_none_of_it_is_lost(text):
    found = parts(text)
    assert all(utf16.length(part.text) <= LIMIT for part in found)
    written = visible("".join(part.text for part in found))
    assert written == visible(render(text).text) or written == visible(utf16.well_formed(text))

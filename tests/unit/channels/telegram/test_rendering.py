"""From Markdown to text and entities."""

import time

import pytest

from shared.channels.telegram.rendering import render


def shown(markdown):
    """The text, and each span as (kind, words, value)."""
    styled = render(markdown)
    return styled.text, [(span.kind, styled.text[span.start : span.end], span.value) for span in styled.spans]


def spans(markdown):
    return [(kind, words) for kind, words, _ in shown(markdown)[1]]


@pytest.mark.parametrize(
    ("markdown", "text", "expected"),
    [
        ("plain", "plain", []),
        ("**a** b", "a b", [("bold", "a")]),
        ("__a__ *b* _c_", "a b c", [("bold", "a"), ("italic", "b"), ("italic", "c")]),
        ("~~a~~", "a", [("strikethrough", "a")]),
        ("`a*b*`", "a*b*", [("code", "a*b*")]),
        ("***a***", "a", [("bold", "a"), ("italic", "a")]),
        ("**a *b* c**", "a b c", [("bold", "a b c"), ("italic", "b")]),
        ("**a `b` c**", "a b c", [("bold", "a "), ("code", "b"), ("bold", " c")]),
        ("# A `b`\ntext", "A b\ntext", [("bold", "A "), ("code", "b")]),
        ("# **A**", "A", [("bold", "A")]),
        ("A\n===\n\nb", "A\n\nb", [("bold", "A")]),
        ("a\nb  \nc", "a\nb\nc", []),
        ("a\n\n\n\nb", "a\n\nb", []),
        ("a\n\n---\n\nb", f"a\n\n{'─' * 12}\n\nb", []),
        (r"\*a\* &amp; &lt;b&gt; <i>c</i>", "*a* & <b> <i>c</i>", []),
        ("> a\n> b\n\nc", "a\nb\n\nc", [("blockquote", "a\nb")]),
        ("> a\n> > b\n> > c", "a\n> b\n> c", [("blockquote", "a\n> b\n> c")]),
        ("> **a** `b`", "a b", [("blockquote", "a b"), ("bold", "a"), ("code", "b")]),
        ("**Status:**OK", "Status:OK", [("bold", "Status:")]),
        ("**标题：**内容", "标题：内容", [("bold", "标题：")]),
        ("他说**“好”**吧", "他说“好”吧", [("bold", "“好”")]),
        ("2*3*4=24", "2*3*4=24", []),
        ("2**3**4", "2**3**4", []),
        ("f(*args, **kwargs)", "f(*args, **kwargs)", []),
        ("**unfinished", "**unfinished", []),
        ("a\0b\x07c\r\nd\ud800", "abc\nd\ufffd", []),
        ("[a]: https://a.example\n\n[a]", "a", [("text_link", "a")]),
        ("Sources:\n\n[1]: https://a.example\n[2]: /b", "Sources:\n\n[1]: https://a.example\n[2]: /b", []),
    ],
)
def test_inline_styles_and_blocks(markdown, text, expected):
    assert shown(markdown)[0] == text
    assert spans(markdown) == expected


@pytest.mark.parametrize(
    ("markdown", "text", "link"),
    [
        ("[a](https://x.example/b_(c)?d=1&e)", "a", ("a", "https://x.example/b_(c)?d=1&e")),
        ("[a](tg://resolve?domain=b)", "a", ("a", "tg://resolve?domain=b")),
        ("<https://x.example>", "https://x.example", ("https://x.example", "https://x.example")),
        ("[](https://x.example)", "https://x.example", ("https://x.example", "https://x.example")),
        ("![a](https://x.example/p.png)", "a", ("a", "https://x.example/p.png")),
        ("![](https://x.example/p.png)", "image", ("image", "https://x.example/p.png")),
        ("[![a](https://i.example/p)](https://x.example)", "a", ("a", "https://x.example")),
        ("[`a`](https://x.example)", "a", ("a", "https://x.example")),
        ("[a](mailto:b@c.example?subject=d)", "a (b@c.example)", None),
        ("<b@c.example>", "b@c.example", None),
        ("[a](/b)", "a (/b)", None),
        ("[a](ftp://c.example)", "a (ftp://c.example)", None),
        ("[a](http://localhost:7071/b)", "a (http://localhost:7071/b)", None),
        ("[a](javascript:alert(1))", "[a](javascript:alert(1))", None),
        ("[a](data:text/html,b)", "[a](data:text/html,b)", None),
    ],
)
def test_links(markdown, text, link):
    assert shown(markdown)[0] == text
    found = [(words, value) for kind, words, value in shown(markdown)[1] if kind == "text_link"]
    assert found == ([link] if link else [])


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("- a\n- b", "• a\n• b"),
        ("- a\n\n- b", "• a\n\n• b"),
        ("Intro:\n- a\n- b\n\nEnd", "Intro:\n• a\n• b\n\nEnd"),
        ("- a\n  - b\n    - c\n      - d\n- e", "• a\n    ◦ b\n        ▪ c\n            ▪ d\n• e"),
        ("- a\n  more\n\n  and more", "• a\n    more\n\n    and more"),
        ("1. a\n1. b\n1. c", "1. a\n2. b\n3. c"),
        ("1. a\n3. b\n4. c", "1. a\n3. b\n4. c"),
        ("7) a\n8) b", "7) a\n8) b"),
        ("0. a\n1. b", "0. a\n1. b"),
        ("1. a\n   - b\n   - c\n2. d", "1. a\n    • b\n    • c\n2. d"),
        ("- 1. a", "• 1. a"),
        ("- [ ] a\n- [x] b\n- [X] c", "☐ a\n☑ b\n☑ c"),
        ("1. [ ] a", "1. ☐ a"),
        ("-\n- b", "• \n• b"),
        ("- > a\n- b", "• a\n• b"),
    ],
)
def test_lists(markdown, text):
    assert shown(markdown)[0] == text


def test_code_blocks_keep_language_and_indentation():
    text, found = shown("See:\n```python title=x\ndef f():\n    return 1\n\n```\nDone")
    assert text == "See:\ndef f():\n    return 1\nDone"
    assert found == [("pre", "def f():\n    return 1", "python")]
    assert spans("    a\n      b") == [("pre", "a\n  b")]
    assert shown("````\n```\n````") == ("```", [("pre", "```", "")])
    assert shown("```\n```") == ("", [])


def test_code_in_a_list_is_not_indented():
    text, found = shown("- a\n\n  ```\n  x\n    y\n  ```\n- b")
    assert text == "• a\n\nx\n  y\n• b"
    assert found == [("pre", "x\n  y", "")]
    assert shown("- ```\n  x\n  ```")[0] == "• \nx"


def test_tables_are_aligned():
    text, found = shown(
        "Prices:\n\n| Name | Price |\n|---|--:|\n| **Tea** | 3 |\n| `a\\|b` | 12.50 |\n| 日本 | 5 |\n| short |"
    )
    table = "Name  | Price\n------+------\nTea   |     3\na|b   | 12.50\n日本  |     5\nshort |"
    assert text == f"Prices:\n\n{table}"
    assert found == [("pre", table, "")]


def test_links_in_a_table_follow_it():
    text, found = shown("|a|b|\n|-|-|\n|[x](https://x.example)|[y<br>z](/y)|")
    assert text == "a | b\n--+----\nx | y z\nx\ny z (/y)"
    assert ("text_link", "x", "https://x.example") in found


def test_a_long_cell_does_not_widen_the_others():
    text, _ = shown(f"|a|b|\n|-|-|\n|{'x' * 500}|1|\n|y|2|")
    assert len(text) < 700


@pytest.mark.parametrize(
    "markdown",
    [
        "*" * 20_000,
        "a**" * 10_000,
        "*_" * 10_000,
        "[" * 10_000,
        "[a](" * 5_000,
        "![[]()" * 5_000,
        "> " * 5_000 + "deep",
        "- " * 5_000 + "deep",
        "`" * 20_000,
        "~~a" * 10_000,
        "|" * 20_000,
        "*_" * 5_000 + "a" + "_*" * 5_000,
        "<" * 20_000,
        "word " * 200_000,
    ],
    ids=lambda text: f"{text[:6]!r}…{len(text)}",
)
def test_a_hostile_text_takes_no_time(markdown):
    started = time.process_time()
    render(markdown)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("markdown", ["> " * 40 + "deep", "- " * 40 + "deep", "1. " * 40 + "deep"])
def test_what_is_nested_too_deeply_is_shown_as_it_stands(markdown):
    assert render(markdown).text == markdown

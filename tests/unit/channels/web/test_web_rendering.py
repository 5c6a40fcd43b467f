"""Markdown on the page: what is shown, and that nothing of it can act."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.channels.web.rendering import to_html

LINK = 'rel="noopener noreferrer" target="_blank"'


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**bold** and *soft*", "<p><strong>bold</strong> and <em>soft</em></p>\n"),
        ("one\ntwo", "<p>one<br />\ntwo</p>\n"),
        ("[a](https://example.org/?a=1&b=2)", f'<p><a href="https://example.org/?a=1&amp;b=2" {LINK}>a</a></p>\n'),
        ("<mia@example.org>", f'<p><a href="mailto:mia@example.org" {LINK}>mia@example.org</a></p>\n'),
        ("```py\na < b\n```", '<pre><code class="language-py">a &lt; b\n</code></pre>\n'),
        ("~~gone~~", "<p><s>gone</s></p>\n"),
    ],
)
def test_markdown(text: str, html: str) -> None:
    assert to_html(text) == html


def test_a_table_can_be_scrolled_and_is_aligned_without_style_attributes() -> None:
    html = to_html("|a|b|\n|:-|-:|\n|1|2|")
    assert html.startswith('<div class="table" role="region" aria-label="Table" tabindex="0"><table>')
    assert '<td class="right">2</td>' in html
    assert "style" not in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](java\tscript:alert(1))",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "[a](vbscript:x)",
        "[a](file:///etc/passwd)",
        "[a](//evil.example)",
        "[a](/api/chat)",
        "<javascript:alert(1)>",
        "[x]: javascript:alert(1)\n\n[x]",
        '[a](https://x.example "><script>alert(1)</script>")',
        '[a](https://x.example/"onmouseover="alert(1))',
        "![a](javascript:alert(1))",
        '```"><script>alert(1)</script>\nx\n```',
        "`<b>`",
        '|a|\n|-|\n|<img src=x onerror="alert(1)">|',
    ],
)
def test_nothing_can_act(text: str) -> None:
    assert _Strict.problems(to_html(text)) == []


def test_a_picture_from_elsewhere_is_a_link() -> None:
    html = to_html("![a cat](https://example.org/cat.png)")
    assert html == f'<p><a href="https://example.org/cat.png" {LINK}>a cat</a></p>\n'


@given(st.text(st.sampled_from("<>\"'`[]()!*_~|#-: \n\\&/javscriptdhel=+1."), max_size=80))
def test_no_text_makes_something_that_acts(text: str) -> None:
    assert _Strict.problems(to_html(text)) == []


def _words(text: str) -> list[str]:
    return text.split()


class _Strict(HTMLParser):
    """Reads HTML as a browser would and complains of everything that is not on its short list."""

    tags = frozenset(
        _words(
            "a blockquote br code div em h1 h2 h3 h4 h5 h6 hr li ol p pre s span strong table tbody td th thead tr ul"
        )
    )
    attributes = frozenset(_words("href rel target class role aria-label tabindex start"))

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    @classmethod
    def problems(cls, html: str) -> list[str]:
        reader = cls()
        reader.feed(html)
        reader.close()
        return reader.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in self.tags:
            self.found.append(tag)
        self.found += [name for name in values if name not in self.attributes]
        if tag == "a":
            if not (values.get("href") or "").lower().startswith(("http:", "https:", "mailto:")):
                self.found.append(f"href {values.get('href')!r}")
            if values.get("rel") != "noopener noreferrer" or values.get("target") != "_blank":
                self.found.append("rel")

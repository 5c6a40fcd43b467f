"""HTML as text that a model can read: the title, and the content with its headings, lists, tables and links."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from bs4 import BeautifulSoup, NavigableString, Tag
from yarl import URL

MAX_CHARACTERS = 1_000_000
"""The most of a document that is looked at: reading it takes a second or two of a slow processor."""

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_NOT_FOR_PAGES = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf-7"})
"""Codecs of Python that are no charset of the web, some of them slow on hostile input."""

_UNSEEN = frozenset(
    {"script", "style", "noscript", "template", "head", "svg", "canvas", "iframe", "object", "select", "datalist"}
)
_BESIDE = frozenset({"nav", "footer", "aside"})
"""What surrounds the content of a page that does not say which part that is."""
_PARAGRAPHS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "pre", "blockquote", "figure"}
)
_LINES = _PARAGRAPHS | {
    *(
        "address",
        "article",
        "body",
        "caption",
        "dd",
        "details",
        "div",
        "dt",
        "fieldset",
        "figcaption",
        "footer",
        "form",
    ),
    *("header", "hr", "html", "li", "main", "nav", "section", "summary", "tbody", "tfoot", "thead", "tr", "aside"),
}
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Page:
    """A page's title and its content, in lines of light Markdown."""

    title: str
    text: str


def decode(body: bytes, *, charset: str = "") -> str:
    """Text of unknown encoding: by its byte order mark, the given charset, its own `<meta charset>`, else a guess."""
    marked = next((name for mark, name in _MARKS if body.startswith(mark)), "")
    declared = _META_CHARSET.search(body[:2048])
    for name in (marked, charset, declared[1].decode("ascii", "ignore") if declared else ""):
        if codec := _codec(name):
            return body.decode(codec, "replace")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        # A body that was cut ends inside a letter; anything else is what the web was written in before.
        cut = error.reason == "unexpected end of data" and not body[: error.start].isascii()
        return body.decode("utf-8" if cut else "cp1252", "replace")


def _codec(name: str) -> str:
    try:
        found = codecs.lookup(name).name if name else ""
        b"a".decode(found or "utf-8", "replace")  # raises for codecs that make no text
    except (LookupError, ValueError):
        return ""
    # As browsers do: what calls itself Latin 1 is Windows' extension of it.
    return (
        ""
        if found.replace("-", "_") in _NOT_FOR_PAGES
        else {"iso8859-1": "cp1252", "ascii": "cp1252"}.get(found, found)
    )


def read(markup: str, *, url: str = "") -> Page:
    """The readable part of an HTML document; links are made absolute by `url`. Takes time: call it in a thread."""
    # lxml takes time in proportion to the length, also for markup that is made to be slow; html.parser does not.
    soup = BeautifulSoup(markup[:MAX_CHARACTERS], "lxml")
    title = _collapse(soup.title.get_text()) if soup.title else ""
    main = _main(soup)
    writer = _Writer(url)
    _write(main or soup, writer, unseen=_UNSEEN if main else _UNSEEN | _BESIDE)
    return Page(title=title, text=writer.text())


def _main(soup: BeautifulSoup) -> Tag | None:
    articles = soup.find_all("article", limit=2)
    only = articles[0] if len(articles) == 1 else None
    found = soup.find("main") or soup.find(attrs={"role": "main"}) or only
    return found if isinstance(found, Tag) else None


def _collapse(text: str) -> str:
    return " ".join(text.split())


def _hidden(tag: Tag) -> bool:
    return (
        tag.has_attr("hidden")
        or str(tag.get("aria-hidden", "")).lower() == "true"
        or bool(_HIDING.search(str(tag.get("style", ""))))
    )


def _write(root: Tag, writer: _Writer, *, unseen: frozenset[str]) -> None:
    """Walk without recursion: pages may be nested deeper than Python's stack."""
    open_tags: list[tuple[Tag, Iterator[object]]] = [(root, iter(root.children))]
    while open_tags:
        tag, children = open_tags[-1]
        child = next(children, None)
        if child is None:
            open_tags.pop()
            writer.end(tag)
        elif isinstance(child, Tag):
            if child.name not in unseen and not _hidden(child):
                writer.start(child)
                open_tags.append((child, iter(child.children)))
        elif type(child) is NavigableString:  # its subclasses are comments, doctypes, scripts
            writer.add(str(child))


class _Writer:
    """Gathers lines."""

    def __init__(self, url: str) -> None:
        self._base = URL(url) if url else None
        self._lines: list[str] = []
        self._line: list[str] = []
        self._pre = 0
        self._links: list[tuple[int, int]] = []

    def start(self, tag: Tag) -> None:
        name = tag.name
        if name == "br" or (name in _LINES and "".join(self._line).strip() != "-"):
            self._break(blank=name in _PARAGRAPHS)
        if name == "pre":
            self._pre += 1
        elif name == "li":
            self._line.append("- ")
        elif name in ("td", "th") and self._line:
            self._line.append(" | ")
        elif len(name) == 2 and name[0] == "h" and name[1] in "123456":
            self._line.append(f"{'#' * int(name[1])} ")
        elif name == "a":
            self._links.append((len(self._lines), len(self._line)))
        elif name == "img" and tag.get("alt"):
            self.add(f" [image: {tag['alt']}] ")

    def end(self, tag: Tag) -> None:
        if tag.name == "a" and self._links:
            self._link(str(tag.get("href", "")), *self._links.pop())
        if tag.name in _LINES:
            self._break(blank=tag.name in _PARAGRAPHS)
        if tag.name == "pre":
            self._pre -= 1

    def add(self, text: str) -> None:
        if not self._pre:
            self._line.append(re.sub(r"\s+", " ", text))
            return
        *lines, last = text.split("\n")
        for line in lines:
            self._line.append(line)
            self._break(blank=False)
        self._line.append(last)

    def _link(self, href: str, line: int, start: int) -> None:
        """Put the address behind the words of a link that stands in one line."""
        words = "".join(self._line[start:]) if line == len(self._lines) else ""
        if not words.strip() or self._base is None or href.startswith("#"):
            return
        try:
            target = self._base.join(URL(href.strip()))
        except ValueError:
            return
        if target.scheme in ("http", "https") and str(target) != words.strip():
            self._line[start:] = [f"[{words.strip()}]({target})", " " if words[-1].isspace() else ""]

    def _break(self, *, blank: bool) -> None:
        line = "".join(self._line)
        line = line.rstrip() if self._pre else _collapse(line)
        if line and line.strip("- |#"):
            self._lines.append(line)
        self._line.clear()
        if blank and self._lines and self._lines[-1]:
            self._lines.append("")

    def text(self) -> str:
        self._break(blank=False)
        return "\n".join(self._lines).strip("\n")

"""HTML as text that a model can read: the title, and the content with its headings, lists, tables and links."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Any

import lxml.etree  # type: ignore[import-untyped]  # ships no types
import lxml.html  # type: ignore[import-untyped]  # ships no types
from yarl import URL

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_NOT_FOR_PAGES = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf_7"})
"""Codecs of Python that are no charset of the web, some of them slow on hostile input."""

_UNSEEN = frozenset(
    {"script", "style", "noscript", "template", "head", "svg", "canvas", "iframe", "object", "select", "datalist"}
)
_BESIDE = frozenset({"nav", "footer", "aside"})
"""What surrounds the content of a page that does not say which part that is."""
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_PARAGRAPHS = _HEADINGS | set("p ul ol dl table pre blockquote figure".split())
_LINES = _PARAGRAPHS | set(
    "address article aside body caption dd details div dt fieldset figcaption footer form header hr html li main nav"
    " section summary tbody tfoot thead tr".split()
)
_BLANKS = re.compile(r"\s+")
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
    if found.replace("-", "_") in _NOT_FOR_PAGES:
        return ""
    return "cp1252" if found in ("iso8859-1", "ascii") else found  # as browsers do


def read(markup: str, *, url: str = "") -> Page:
    """The readable part of an HTML document; links are made absolute by `url`. For megabytes, call it in a thread.

    The time it takes is in proportion to the length, also for markup that is made to be slow.
    """
    # Told the encoding, libxml2 believes no <meta> in the document.
    parser = lxml.html.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        document = lxml.html.document_fromstring(markup.encode("utf-8", "replace"), parser=parser)
    except lxml.etree.ParserError:
        return Page(title="", text="")
    title = document.find(".//title")
    main = _main(document)
    writer = _Writer(url)
    if main is None:
        _write(document, writer, unseen=_UNSEEN | _BESIDE)
    else:
        _write(main, writer, unseen=_UNSEEN)
    return Page(title="" if title is None else _collapse("".join(title.itertext())), text=writer.text())


_Element = Any
"""lxml's, which has no types."""


def _main(document: _Element) -> _Element | None:
    named = document.xpath("(//main | //*[@role='main'])[1]")
    articles = document.xpath("(//article)[position() < 3]")
    return named[0] if named else articles[0] if len(articles) == 1 else None


def _collapse(text: str) -> str:
    return " ".join(text.split())


def _hidden(element: _Element) -> bool:
    return (
        element.get("hidden") is not None
        or element.get("aria-hidden", "").lower() == "true"
        or bool(_HIDING.search(element.get("style", "")))
    )


def _write(root: _Element, writer: _Writer, *, unseen: frozenset[str]) -> None:
    """Walk without recursion: pages may be nested deeper than Python's stack."""
    walk = lxml.etree.iterwalk(root, events=("start", "end"))
    skipped = None
    for event, element in walk:
        if event == "start" and (element.tag in unseen or _hidden(element)):
            skipped = element
            walk.skip_subtree()
        elif event == "start":
            writer.start(element)
            writer.add(element.text or "")
        else:
            if element is not skipped:
                writer.end(element)
            if element is not root:
                writer.add(element.tail or "")


class _Writer:
    """Gathers lines. A line's marks, such as a bullet, wait for its first words."""

    def __init__(self, url: str) -> None:
        self._base = URL(url) if url else None
        self._lines: list[str] = []
        self._line: list[str] = []
        self._has_words = False
        self._pre = 0
        self._links: list[tuple[int, int]] = []

    def start(self, element: _Element) -> None:
        name = element.tag
        if name == "br" or (name in _LINES and (self._has_words or not self._line)):
            self._break(blank=name in _PARAGRAPHS)
        if name == "pre":
            self._pre += 1
        elif name == "li":
            self._line = ["- "]
        elif name in _HEADINGS:
            self._line = [f"{'#' * int(name[1])} "]
        elif name in ("td", "th") and self._has_words:
            self._line.append(" | ")
        elif name == "a":
            self._links.append((len(self._lines), len(self._line)))
        elif name == "img":
            self._image(element.get("alt", "").strip())

    def end(self, element: _Element) -> None:
        name = element.tag
        if name == "a" and self._links:
            self._link(element.get("href", ""), *self._links.pop())
        if name in _LINES:
            self._break(blank=name in _PARAGRAPHS)
        if name == "pre":
            self._pre -= 1

    def add(self, text: str) -> None:
        if self._pre:
            *lines, text = text.split("\n")
            for line in lines:
                self._put(line)
                self._break(blank=False)
        self._put(text if self._pre else _BLANKS.sub(" ", text))

    def _put(self, text: str) -> None:
        if text and (self._line or self._pre or not text.isspace()):
            self._line.append(text)
            self._has_words = self._has_words or not text.isspace()

    def _image(self, alternative: str) -> None:
        if alternative:
            self._put(f" [image: {_collapse(alternative)}] ")

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
        if self._has_words:
            line = "".join(self._line)
            self._lines.append(line.rstrip() if self._pre else _collapse(line))
        self._line.clear()
        self._has_words = False
        if blank and self._lines and self._lines[-1]:
            self._lines.append("")

    def text(self) -> str:
        self._break(blank=False)
        return "\n".join(self._lines).strip("\n")

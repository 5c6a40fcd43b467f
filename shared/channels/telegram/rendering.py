"""From Markdown to Telegram's text and entities. Never to a MarkdownV2 string, which one stray mark makes unsendable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.channels.telegram.styled import Styled, Writer
from shared.channels.telegram.tables import Cell, layout
from shared.channels.telegram.utf16 import well_formed
from shared.markdown import parse

if TYPE_CHECKING:
    from markdown_it.token import Token

RULE = "─" * 12
BULLETS = "•◦▪"
BOXES = {"[ ] ": "☐ ", "[x] ": "☑ ", "[X] ": "☑ "}
INDENT = 4
"""Spaces to a level of a list: about as wide as a marker in a proportional font."""
MAX_URL = 2_048

_STYLES = {"strong": "bold", "em": "italic", "s": "strikethrough"}
_BREAK_TAGS = ("<br>", "<br/>", "<br />")
"""HTML is text, but in the cells of their tables models write these for want of a line break."""


def render(text: str) -> Styled:
    """A whole Markdown text, not yet split."""
    return _Renderer(parse(_without_controls(text))).render()


def _without_controls(text: str) -> str:
    # Telegram refuses a text that is no valid UTF-8, and drops most control characters, which would move entities.
    if text.isprintable():
        return text
    text = well_formed(text).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(character for character in text if character in "\n\t" or (character >= " " and character != "\x7f"))


@dataclass(slots=True)
class _List:
    """A list that is being written. `number` is None in a bulleted one."""

    number: int | None
    bullet: str


@dataclass(slots=True)
class _Table:
    rows: list[list[Cell]] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)


class _Renderer:
    """Walks the flat tokens once; no recursion, so that no nesting is too deep for it."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._writer = Writer()
        self._line = 0  # the source line behind the block that was written last
        self._fresh = True  # nothing yet stands behind the start of the text, a marker or a quotation's mark
        self._lists: list[_List] = []
        self._quotes = 0
        self._table: _Table | None = None
        self._targets: list[tuple[str, int]] = []

    def render(self) -> Styled:
        for index, token in enumerate(self._tokens):
            handler = getattr(self, f"_{token.type}", None)
            if handler:
                handler(token)
            elif token.type == "list_item_open":
                self._item(token, self._tokens[index + 2 : index + 3])
        return self._writer.finish()

    # --- blocks -----------------------------------------------------------------------------------------------

    def _block(self, token: Token, *, own_line: bool = False) -> None:
        """Leave as much room before a block as its source does: none behind a marker, a line, or an empty line."""
        start, end = token.map or (self._line, self._line)
        if not self._fresh:
            self._writer.gap(2 if start > self._line else 1)
        elif own_line:
            self._writer.gap(1)
        self._fresh = False
        self._line = end

    def _paragraph_open(self, token: Token) -> None:
        self._block(token)

    def _heading_open(self, token: Token) -> None:
        self._block(token)
        self._writer.open("bold")

    def _heading_close(self, token: Token) -> None:
        self._writer.close("bold")

    def _hr(self, token: Token) -> None:
        self._block(token)
        self._writer.write(RULE)

    def _fence(self, token: Token) -> None:
        self._block(token, own_line=True)
        self._writer.literal("pre", token.content.rstrip("\n"), value=token.info.split(" ")[0][:64])

    def _code_block(self, token: Token) -> None:
        self._fence(token)

    def _blockquote_open(self, token: Token) -> None:
        self._quotes += 1
        if self._quotes == 1:
            self._writer.open("blockquote")
            return
        # Telegram does not nest quotations: an inner one keeps the marks that people know from mail.
        self._mark(token, "> ")
        self._writer.indent("> ")

    def _blockquote_close(self, token: Token) -> None:
        if self._quotes == 1:
            self._writer.close("blockquote")
        else:
            self._writer.dedent("> ")
        self._quotes -= 1
        self._fresh = False

    def _bullet_list_open(self, token: Token) -> None:
        depth = sum(one.number is None for one in self._lists)
        self._lists.append(_List(number=None, bullet=BULLETS[min(depth, len(BULLETS) - 1)]))

    def _ordered_list_open(self, token: Token) -> None:
        self._lists.append(_List(number=-1, bullet=""))

    def _bullet_list_close(self, token: Token) -> None:
        self._lists.pop()

    def _ordered_list_close(self, token: Token) -> None:
        self._lists.pop()

    def _item(self, token: Token, following: Sequence[Token]) -> None:
        inside = self._lists[-1]
        box = _take_box(following[0]) if following else ""
        if inside.number is None:
            marker = box or f"{inside.bullet} "
        else:
            # Its own number counts (1, 3), unless it stays behind: many write 1, 1, 1 and mean 1, 2, 3.
            written = int(token.info) if token.info.isdecimal() else 1
            inside.number = max(written, inside.number + 1)
            marker = f"{inside.number}{token.markup or '.'} {box}"
        self._mark(token, marker)
        self._writer.indent(" " * INDENT)

    def _list_item_close(self, token: Token) -> None:
        self._writer.dedent(" " * INDENT)
        self._fresh = False

    def _mark(self, token: Token, mark: str) -> None:
        self._block(token)
        self._writer.write(mark)
        self._line = token.map[0] + 1 if token.map else self._line
        self._fresh = True

    # --- tables -----------------------------------------------------------------------------------------------

    def _table_open(self, token: Token) -> None:
        self._block(token, own_line=True)
        self._table = _Table()

    def _tr_open(self, token: Token) -> None:
        if self._table:
            self._table.rows.append([])

    def _th_open(self, token: Token) -> None:
        if self._table:
            self._table.right.append("right" in str(token.attrGet("style") or ""))

    def _table_close(self, token: Token) -> None:
        table, self._table = self._table, None
        if table is None:
            return
        self._writer.literal("pre", layout(table.rows, right=table.right))
        links = [link for row in table.rows for cell in row for link in cell.links]
        for label, url in dict(links).items():
            self._writer.gap(1)
            self._link(label, url)

    def _link(self, label: str, url: str) -> None:
        if _linkable(url):
            self._writer.open("text_link", url)
        self._writer.write(label)
        if _linkable(url):
            self._writer.close("text_link")
        else:
            self._writer.write(_spelt_out(url, label=label))

    # --- what stands in a line --------------------------------------------------------------------------------

    def _inline(self, token: Token) -> None:
        children = token.children or []
        if self._table:
            self._table.rows[-1].append(_cell(children))
            return
        for child in children:
            style, _, edge = child.type.rpartition("_")
            if style in _STYLES:
                turn = self._writer.open if edge == "open" else self._writer.close
                turn(_STYLES[style])
            elif child.type == "code_inline":
                self._writer.literal("code", child.content)
            elif child.type == "link_open":
                self._link_open(child)
            elif child.type == "link_close":
                self._link_close()
            elif child.type == "image":
                self._link(child.content or "image", str(child.attrGet("src") or ""))
            else:
                self._writer.write(_words(child))

    def _link_open(self, token: Token) -> None:
        url = str(token.attrGet("href") or "")
        self._targets.append((url, self._writer.mark()))
        if _linkable(url):
            self._writer.open("text_link", url)

    def _link_close(self) -> None:
        url, mark = self._targets.pop()
        label = self._writer.since(mark)
        if not label:
            self._writer.write(url)
        if _linkable(url):
            self._writer.close("text_link")
        elif label:
            self._writer.write(_spelt_out(url, label=label))


def _words(token: Token) -> str:
    if token.type in {"softbreak", "hardbreak"}:
        return "\n"
    return token.content


def _cell(children: Sequence[Token]) -> Cell:
    words: list[str] = []
    links: list[tuple[str, str]] = []
    starts: list[tuple[int, str]] = []
    for child in children:
        if child.type == "link_open":
            starts.append((len(words), str(child.attrGet("href") or "")))
        elif child.type == "link_close":
            start, url = starts.pop()
            links.append(("".join(words[start:]) or url, url))
        elif child.type == "image":
            words.append(child.content or "image")
            links.append((words[-1], str(child.attrGet("src") or "")))
        else:
            words.append(_in_one_line(_words(child)))
    return Cell(text="".join(words).strip(), links=tuple(links))


def _in_one_line(text: str) -> str:
    for mark in ("\n", *_BREAK_TAGS):
        text = text.replace(mark, " ")
    return text


def _take_box(token: Token) -> str:
    """Take the box off an item of a task list, and return it as a character."""
    first = token.children[0] if token.type == "inline" and token.children else None
    if first is None or first.type != "text" or first.content[:4] not in BOXES:
        return ""
    box = BOXES[first.content[:4]]
    first.content = first.content[4:]
    return box


def _linkable(url: str) -> bool:
    """True where Telegram makes a link of it: to a host with a dot in its name, or into Telegram itself."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if len(url) > MAX_URL:
        return False
    return parts.scheme == "tg" or (parts.scheme in {"http", "https"} and ("." in host or ":" in host))


def _spelt_out(url: str, *, label: str) -> str:
    """What follows the words of a link that Telegram would drop: an address that it finds by itself, or the source."""
    target = url.removeprefix("mailto:").partition("?")[0] if url.startswith("mailto:") else url
    return f" ({target})" if target and target != label else ""

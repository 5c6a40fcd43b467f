"""The one parse of Markdown; each channel renders its tokens into its own dialect."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

MAX_LENGTH = 100_000
"""Characters. What is longer is not read as Markdown: parsing it would hold up everybody else for a second."""

_CONTAINERS = frozenset({"blockquote_open", "bullet_list_open", "ordered_list_open", "list_item_open"})
_OPENING = frozenset({"Ps", "Pi"})
_CLOSING = frozenset({"Pe", "Pf"})
_ENDS_SENTENCE = frozenset(",.:;!?…，。：；！？、")


@cache
def parser() -> MarkdownIt:
    """CommonMark with tables and strikethrough. Raw HTML is text, and a link to `javascript:` is no link."""
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    markdown.inline.ruler.at("emphasis", _emphasis)
    return markdown


def parse(text: str) -> list[Token]:
    """Markdown as a flat list of block tokens; an inline token's children are its spans. No text is lost.

    A text that is too long, or nested deeper than the parser follows, comes back as plain paragraphs. A definition of
    a link (`[1]: https://…`) that no link uses stays in the text: it is likely a list of sources.
    """
    if len(text) > MAX_LENGTH:
        return _plain_parser().parse(text)
    markdown = parser()
    env: dict[str, Any] = {}
    tokens = markdown.parse(text, env)
    deepest = markdown.options.maxNesting - 1
    if any(token.level >= deepest and token.type in _CONTAINERS for token in tokens):
        return _plain_parser().parse(text)
    defined = {reference["href"] for reference in env.get("references", {}).values()}
    if not defined <= _targets(tokens):
        with markdown.reset_rules():
            markdown.disable("reference")
            return markdown.parse(text)
    return tokens


@cache
def _plain_parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("zero")


def _targets(tokens: Sequence[Token]) -> set[object]:
    children = [child for token in tokens for child in token.children or ()]
    return {child.attrGet("href") or child.attrGet("src") for child in children}


def _emphasis(state: StateInline, silent: bool) -> bool:
    """The parser's own rule for `*` and `_`, made to read what language models write and people mean.

    CommonMark leaves `**Status:**OK` literal, because a colon stands before the closing asterisks and a letter
    behind them, and it sets the 3 of `2*3*4` in italics.
    """
    from markdown_it.rules_inline import emphasis

    start = state.pos
    if not emphasis.tokenize(state, silent):
        return False
    length = state.pos - start
    before = state.src[start - 1] if start else " "
    after = state.src[state.pos] if state.pos < state.posMax else " "
    if state.src[start] != "*" or before.isspace() or after.isspace():
        return True
    product = before.isascii() and after.isascii() and before.isalnum() and after.isalnum() and length == 1
    power = before.isdecimal() and after.isdecimal()
    for delimiter in state.delimiters[-length:]:
        if product or power:
            delimiter.open = delimiter.close = False
        elif length == 2:
            delimiter.open = delimiter.open or not _closes(after)
            delimiter.close = delimiter.close or not _opens(before)
    return True


def _opens(character: str) -> bool:
    return character == "," or unicodedata.category(character) in _OPENING


def _closes(character: str) -> bool:
    return character in _ENDS_SENTENCE or unicodedata.category(character) in _CLOSING

"""The one parse of Markdown; each channel renders its tokens into its own dialect."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token


@cache
def parser() -> MarkdownIt:
    """CommonMark with tables and strikethrough. Raw HTML is text, and a link to `javascript:` is no link."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def parse(text: str) -> list[Token]:
    """Markdown as a flat list of block tokens; an inline token's children are its spans."""
    return parser().parse(text)

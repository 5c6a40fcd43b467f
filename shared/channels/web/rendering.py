"""From Markdown to HTML that a page may show: no raw HTML, no foreign image, only links that are safe to follow."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from copy import deepcopy
from typing import Any
from urllib.parse import urlsplit

from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from shared.markdown import parse, parser

Environment = MutableMapping[str, Any]

_SCHEMES = frozenset({"http", "https", "mailto"})
_ALIGNED = {"text-align:left": "left", "text-align:center": "center", "text-align:right": "right"}


def to_html(text: str) -> str:
    """Markdown as HTML. Everything that is not Markdown is escaped."""
    return _RENDERER.render(parse(text), _OPTIONS, {})


class _PageRenderer(RendererHTML):
    """The library's own HTML, but for links, images and tables. The methods are named after the tokens."""

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Environment) -> str:
        url = str(tokens[idx].attrGet("href") or "")
        # Links do not nest, so what closes this one is the next thing to close.
        env["link_close"] = "</a>" if _safe(url) else "</span>"
        return _anchor(url) if _safe(url) else "<span>"

    def link_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Environment) -> str:
        return str(env["link_close"])

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Environment) -> str:
        # Loading it would tell a foreign server that, and what, somebody reads.
        url = str(tokens[idx].attrGet("src") or "")
        words = escapeHtml(self.renderInlineAsText(tokens[idx].children, options, env) or url)
        return f"{_anchor(url)}{words}</a>" if _safe(url) else words

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Environment) -> str:
        return '<div class="table" role="region" aria-label="Table" tabindex="0"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Environment) -> str:
        return "</table></div>\n"

    def th_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Environment) -> str:
        return _cell("th", tokens[idx])

    def td_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Environment) -> str:
        return _cell("td", tokens[idx])


def _safe(url: str) -> bool:
    try:
        return urlsplit(url).scheme.lower() in _SCHEMES
    except ValueError:
        return False


def _anchor(url: str) -> str:
    return f'<a href="{escapeHtml(url)}" rel="noopener noreferrer" target="_blank">'


def _cell(tag: str, token: Token) -> str:
    # The page's content security policy allows no style attributes.
    aligned = _ALIGNED.get(str(token.attrGet("style") or ""))
    return f'<{tag} class="{aligned}">' if aligned else f"<{tag}>"


_RENDERER = _PageRenderer()
# A line break in a chat is meant as one.
_OPTIONS = deepcopy(parser().options)
_OPTIONS["breaks"] = True

"""Reading a page of the public web."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from pydantic import BaseModel, Field

from shared import excerpt, html
from shared.egress import FetchError
from shared.fetch import Fetched, PublicFetcher
from shared.ports import Effect, Parts, Tool, ToolContext, ToolError, ToolResult
from shared.untrusted import quoted

_HTML = frozenset({"text/html", "application/xhtml+xml"})
# Reading a large page keeps a processor busy for a while: never more than two at once.
_readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="page")


class WebPage(BaseModel):
    """Which page to read."""

    url: str = Field(max_length=2_000, description="The address of the page, with https:// or http://.")
    start: int = Field(
        0, ge=0, description="Where to go on in a long page: the number that the part before ended with."
    )


class ReadWebPage:
    """Fetches a page and returns its text."""

    name = "read_web_page"
    description = (
        "Read the text of a public web page, of JSON or of another text on the web. It sees what a browser shows without"
        " scripts and without signing in. Long pages come in parts."
    )
    arguments: type[BaseModel] = WebPage
    effect = Effect.READ
    progress = "Reading a web page"

    def __init__(self, fetcher: PublicFetcher) -> None:
        self._fetcher = fetcher

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """Fetch it, and return one part of its text."""
        assert isinstance(arguments, WebPage)
        url = arguments.url.strip()
        try:
            fetched = await self._fetcher.get(url if "://" in url else f"https://{url}")
        except FetchError as error:
            raise ToolError(str(error)) from None
        page = await asyncio.get_running_loop().run_in_executor(_readers, _read, fetched)
        if not page.text:
            raise ToolError(f"{fetched.url} has no text that can be read without a browser.")
        part = excerpt.of(page.text, start=arguments.start)
        title = f"{page.title[:200]}\n\n" if page.title else ""
        cut = " Only the beginning of this very large page was read." if fetched.cut else ""
        return ToolResult(quoted(f"{title}{part.text}", source=fetched.url) + part.note + cut)


def _read(fetched: Fetched) -> html.Page:
    text = html.decode(fetched.body, charset=fetched.charset)
    if fetched.media_type in _HTML:
        return html.read(text, url=fetched.url)
    return html.Page(title="", text=text.replace("\0", "").strip())


def build(_: Parts) -> Sequence[Tool]:
    """The reader of web pages."""
    return [ReadWebPage(PublicFetcher())]

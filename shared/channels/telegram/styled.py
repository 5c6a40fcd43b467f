"""Text with styled spans: what Markdown becomes before it is cut into messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A styled piece of a text, from index to index. `kind` is Telegram's entity type, `value` its URL or language."""

    start: int
    end: int
    kind: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Styled:
    """A text and its spans, in the order in which they start."""

    text: str
    spans: tuple[Span, ...] = ()


@dataclass(slots=True)
class _Open:
    value: str
    start: int | None = None


class Writer:
    """Collects a text and its spans.

    Obeys Telegram's rules of nesting: a kind never inside itself, nothing but a quotation around `code` and `pre`,
    and a link keeps its words, also those that are code.
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._gap = 0
        self._indent = ""
        self._depth: Counter[str] = Counter()
        self._open: dict[str, _Open] = {}
        self._spans: list[Span] = []

    def gap(self, lines: int) -> None:
        """Begin a new line (1) or a new paragraph (2) before whatever is written next."""
        if self._length:
            self._gap = max(self._gap, lines)

    def indent(self, prefix: str) -> None:
        """Put the prefix before each line from the next one on."""
        self._indent += prefix

    def dedent(self, prefix: str) -> None:
        """Take the prefix away again."""
        self._indent = self._indent.removesuffix(prefix)

    def write(self, text: str) -> None:
        """Add text in the styles that are open."""
        if not text:
            return
        self._break(self._indent)
        self._begin_spans(self._open)
        self._put(text.replace("\n", "\n" + self._indent) if self._indent else text)

    def literal(self, kind: str, text: str, *, value: str = "") -> None:
        """Add a piece of `code` or `pre`: the styles around it pause, since Telegram allows none inside."""
        if "text_link" in self._open:
            self.write(text)
            return
        if not text:
            return
        self._break("" if kind == "pre" else self._indent)
        self._begin_spans({"blockquote"} & self._open.keys())
        for style, opened in self._open.items():
            if style != "blockquote":
                self._end_span(style, opened)
                opened.start = None
        start = self._length
        self._put(text)
        self._spans.append(Span(start=start, end=self._length, kind=kind, value=value))

    def open(self, kind: str, value: str = "") -> None:
        """Begin a style. Inside itself it changes nothing."""
        self._depth[kind] += 1
        if self._depth[kind] == 1:
            self._open[kind] = _Open(value)

    def close(self, kind: str) -> None:
        """End a style."""
        self._depth[kind] -= 1
        if self._depth[kind] == 0:
            self._end_span(kind, self._open.pop(kind))

    def mark(self) -> int:
        """A place to ask `since` about."""
        return len(self._pieces)

    def since(self, mark: int) -> str:
        """What was written after the mark."""
        return "".join(self._pieces[mark:])

    def finish(self) -> Styled:
        """Everything that was written."""
        spans = sorted(self._spans, key=lambda span: (span.start, -span.end))
        return Styled(text="".join(self._pieces), spans=tuple(spans))

    def _break(self, indent: str) -> None:
        if self._gap:
            self._put("\n" * self._gap + indent)
            self._gap = 0

    def _put(self, text: str) -> None:
        self._pieces.append(text)
        self._length += len(text)

    def _begin_spans(self, kinds: Iterable[str]) -> None:
        for kind in kinds:
            opened = self._open[kind]
            if opened.start is None:
                opened.start = self._length

    def _end_span(self, kind: str, opened: _Open) -> None:
        if opened.start is not None and opened.start < self._length:
            self._spans.append(Span(start=opened.start, end=self._length, kind=kind, value=opened.value))

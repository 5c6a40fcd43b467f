"""Parts of a long text, and the marks around what others wrote."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from shared import excerpt
from shared.untrusted import quoted


@given(st.text(alphabet="ab \nä🙂", min_size=1, max_size=200).map(lambda text: text * 200))
def test_the_parts_together_are_the_whole_but_for_the_gaps_between_them(text: str) -> None:
    start, read = 0, []
    while True:
        part = excerpt.of(text, start=start)
        assert len(part.text.encode()) <= excerpt.PART_BYTES
        assert text[start:].startswith(part.text)
        read.append(part.text)
        more = re.search(r"start=(\d+)", part.note)
        if not more:
            break
        assert text[start + len(part.text) : int(more[1])] in ("", " ", "\n")
        assert int(more[1]) > start
        start = int(more[1])
    assert len("".join(read)) >= len(text) - len(read)


def test_a_short_text_is_one_part() -> None:
    assert excerpt.of("short") == excerpt.Excerpt("short", "")
    assert "nothing after character 5" in excerpt.of("short", start=5).note


def test_marks_cannot_be_foreseen() -> None:
    first, second = quoted("text", source="a page"), quoted("text", source="a page")
    assert first != second
    assert first.startswith("Content of a page, written by others.")
    assert re.search(r"\n\[begin (\w{8})\]\ntext\n\[end \1\]$", first)
